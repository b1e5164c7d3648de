"""Frames of strategies in Python: which rows, of which recorders, and what is said without them."""

from __future__ import annotations

import sys

import pandas as pd
import polars as pl
import pytest

from tests.collect.test_strategy import CALENDAR, MONTHS, _label, _month, _recorder, _rolls
from wf_dagster.collect import collect_strategy
from wf_dagster.errors import CollectError, RollKeyError, SettingsError
from wf_dagster.frames import (
    load_collected,
    load_labels,
    load_online_models,
    load_predictions,
    load_recorders,
    load_signals,
)
from wf_dagster.online import OnlineToolR
from wf_dagster.online.signal_store import keep_signals
from wf_dagster.tracking import R

FIRST, SECOND, THIRD = MONTHS


@pytest.fixture
def preds() -> dict[str, pd.DataFrame]:
    """Three months; the first one reaches two sessions into the second."""
    preds = {FIRST: _month(FIRST, 1, extra=2), SECOND: _month(SECOND, 2), THIRD: _month(THIRD, 3)}
    for key, pred in preds.items():
        _recorder(key, pred, _label(pred))
    return preds


def _joined(*frames: pd.DataFrame) -> pd.DataFrame:
    """Frames in the order of their rolls, of which the later counts."""
    rows = pd.concat(frames)
    return rows[~rows.index.duplicated(keep="last")].sort_index()


@pytest.mark.parametrize(
    ("rolls", "keys"),
    [
        (None, MONTHS),
        (FIRST, [FIRST]),
        ([SECOND, FIRST], [FIRST, SECOND]),
        ((FIRST, SECOND), [FIRST, SECOND]),
        (("2021-01-15", None), [SECOND, THIRD]),
        ((None, "2021-02"), [FIRST, SECOND]),
        (slice(SECOND, None), [SECOND, THIRD]),
    ],
)
def test_rolls_are_all_or_one_or_a_list_or_a_range(preds, rolls, keys):
    frame = load_predictions("demo", rolls)
    pd.testing.assert_frame_equal(frame, _joined(*(preds[key] for key in keys)), check_like=False)
    assert frame.index.names == ["datetime", "instrument"]
    assert list(frame.columns) == ["score"]
    assert frame.attrs["recorders"] == {
        key: recorder.id for key, recorder in load_recorders("demo", keys).items()
    }


def test_labels_stand_on_the_rows_of_the_predictions(preds):
    labels = load_labels("demo", [SECOND])
    pd.testing.assert_frame_equal(labels, _label(preds[SECOND]))


def test_the_newest_finished_recorder_of_a_roll_counts(preds):
    again = _recorder(SECOND, preds[SECOND] + 1)
    with R.start(experiment_name="demo", recorder_name=SECOND, tags={"roll": SECOND}):
        assert load_recorders("demo")[SECOND].id == again.id  # that one is not finished
        pd.testing.assert_frame_equal(load_predictions("demo", SECOND), preds[SECOND] + 1)


def test_an_experiment_of_another_name_is_found_by_the_strategy(preds):
    tags = {"roll": FIRST, "strategy": "ridge"}
    with R.start(experiment_name="fund/ridge v2", recorder_name=FIRST, tags=tags):
        R.save_objects(**{"pred.pkl": preds[FIRST]})
    pd.testing.assert_frame_equal(load_predictions("ridge"), preds[FIRST])


def test_collected_holds_scores_and_labels(preds):
    collected = collect_strategy("demo", _rolls(), CALENDAR)
    frame = load_collected("demo")
    assert list(frame.columns) == ["score", "label"]
    pd.testing.assert_frame_equal(frame[["score"]], _joined(*preds.values()))
    pd.testing.assert_series_equal(frame["label"], collected.label["label"])
    assert frame.attrs["recorder"] == collected.recorder.id


def test_signals_as_frame_even_if_a_series_was_sent(preds):
    keep_signals("signals", preds[FIRST]["score"])
    pd.testing.assert_frame_equal(load_signals(), preds[FIRST])


def test_what_serves(preds):
    assert load_online_models("demo") == []
    recorder = load_recorders("demo")[SECOND]
    OnlineToolR("demo").reset_online_tag(recorder)
    assert [online.id for online in load_online_models("demo")] == [recorder.id]


def test_polars_frames_have_the_index_as_columns(preds):
    frame = load_predictions("demo", FIRST, engine="polars")
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == ["datetime", "instrument", "score"]
    assert frame["score"].to_list() == preds[FIRST]["score"].tolist()
    assert frame["datetime"][0] == preds[FIRST].index[0][0]


def test_a_missing_polars_is_said_with_its_remedy(preds, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(SettingsError, match=r'pip install "wf-dagster\[polars\]"'):
        load_predictions("demo", engine="polars")


def test_another_engine_is_refused(preds):
    with pytest.raises(SettingsError, match=r"engine='spark' is unknown: use 'pandas' or 'polars'"):
        load_predictions("demo", engine="spark")


# what is not there


def test_an_unknown_strategy_names_those_there_are(preds):
    with pytest.raises(CollectError, match=r"no strategy and no experiment 'dmo' .* has .*demo"):
        load_predictions("dmo")


def test_a_roll_that_is_not_finished_is_named(preds):
    with pytest.raises(
        RollKeyError, match=r"one roll is .*: 2021-04-01; there are 3 rolls from 2021-01-01 to"
    ):
        load_predictions("demo", [FIRST, "2021-04-01"])


@pytest.mark.parametrize(
    ("rolls", "message"),
    [
        (("2022-01-01", None), r"no finished roll has a key from 2022-01-01 to the end"),
        ((SECOND, FIRST), r"ends on 2021-01-01, before it starts \(2021-02-01\)"),
        ((FIRST, SECOND, THIRD), r"is no range: a pair \(first, last\) is one"),
        ([], r"the list of rolls is empty: leave `rolls` out"),
    ],
)
def test_a_range_without_rolls_is_refused(preds, rolls, message):
    with pytest.raises(RollKeyError, match=message):
        load_predictions("demo", rolls)


def test_a_recorder_without_predictions_is_named(preds):
    _recorder("2021-04-01", None)
    with pytest.raises(CollectError, match=r"of roll 2021-04-01 is finished and holds no pred"):
        load_predictions("demo")


def test_an_experiment_without_rolls_says_what_to_materialize():
    with R.start(experiment_name="empty"):
        pass
    with pytest.raises(CollectError, match=r"no roll has a finished recorder in experiment"):
        load_predictions("empty")
    with pytest.raises(CollectError, match=r"was never collected: materialize its `collected`"):
        load_collected("empty")
    with pytest.raises(CollectError, match=r"keeps no signals: materialize the asset"):
        load_signals("empty")


def test_a_collection_that_was_cut_short_is_said(preds):
    with R.start(experiment_name="demo", tags={"wf_kind": "collected"}):
        pass
    with pytest.raises(CollectError, match=r"holds no pred.pkl: materialize `collected` again"):
        load_collected("demo")
