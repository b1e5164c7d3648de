"""Qlib's figures of signals, by hand; beside Qlib in ``tests/compat``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wf_dagster.errors import RecordError
from wf_dagster.records import (
    calc_ic,
    calc_long_short_prec,
    calc_long_short_return,
    pred_autocorr,
    pred_autocorr_all,
)

DAYS = pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"])


def by_day(*rows):
    frame = pd.DataFrame([*rows], DAYS[: len(rows)], list("ABCD"))
    frame.index.name, frame.columns.name = "datetime", "instrument"
    return frame.stack(future_stack=True)


PRED = by_day([1, 2, 3, 4], [4, 3, 2, 1], [1, 1, 1, 1])
LABEL = by_day([0.01, 0.02, 0.03, 0.06], [0.01, -0.02, 0.03, -0.04], [0.01, 0.02, 0.03, 0.04])


def test_the_sides_of_each_day():
    half, average = calc_long_short_return(PRED, LABEL, quantile=0.25)
    # (0.06 - 0.01) / 2, (0.01 + 0.04) / 2, and none where all have one score
    assert half.tolist() == pytest.approx([0.025, 0.025, np.nan], nan_ok=True)
    assert average.tolist() == pytest.approx([0.03, -0.005, 0.025])


def test_how_many_of_each_side_are_right():
    long, short = calc_long_short_prec(PRED, LABEL, quantile=0.5)
    # the best two of the second day earn 0.01 and -0.02, its worst two 0.03 and -0.04
    assert long.tolist()[:2] == [1.0, 0.5]
    assert short.tolist()[:2] == [0.0, 0.5]
    # less the means 0.03 and -0.005: 0 and 0.03 are long, -0.02 and -0.01 short; then 0.015 and
    # -0.015 long, 0.035 and -0.035 short
    long, short = calc_long_short_prec(PRED, LABEL, quantile=0.5, is_alpha=True)
    assert long.tolist()[:2] == [0.5, 0.5]
    assert short.tolist()[:2] == [1.0, 0.5]


def test_the_coefficients_of_each_day():
    ic, ric = calc_ic(PRED, LABEL)
    assert ic.iloc[0] == pytest.approx(np.corrcoef([1, 2, 3, 4], [1, 2, 3, 6])[0, 1])
    assert ric.iloc[0] == pytest.approx(1.0)
    assert np.isnan(ic.iloc[2])  # one score for all
    assert len(calc_ic(PRED, LABEL, dropna=True)[0]) == 2


def test_how_stable_predictions_are():
    frame = PRED.to_frame("score")
    assert pred_autocorr(frame).tolist() == pytest.approx([np.nan, -1.0, np.nan], nan_ok=True)
    assert pred_autocorr_all({"a": PRED}, lag=2)["a"].isna().all()


def test_further_columns_are_said_to_be_left_out(caplog):
    frame = PRED.to_frame("score").assign(other=1.0)
    pd.testing.assert_series_equal(pred_autocorr(frame), pred_autocorr(PRED))
    assert "only 'score' of ['score', 'other'] counts" in caplog.text


@pytest.mark.parametrize("measure", [calc_ic, calc_long_short_prec, calc_long_short_return])
def test_a_level_that_is_not_there_is_named(measure):
    with pytest.raises(RecordError, match=r"called 'day', only \['datetime', 'instrument'\]"):
        measure(PRED, LABEL, date_col="day")
    with pytest.raises(RecordError, match="date_col, or inst_col"):
        pred_autocorr(PRED, inst_col="name")


def test_too_few_instruments_for_a_side_are_an_error():
    with pytest.raises(RecordError, match=r"quantile=0.2 of 4 instruments is too few"):
        calc_long_short_prec(PRED, LABEL)
    with pytest.raises(RecordError, match=r"quantile=0.9: use a share"):
        calc_long_short_prec(PRED, LABEL, quantile=0.9)
