"""What models give as predictions: put right where it is plain, refused by name where not."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from tests.reference import frames
from wf_dagster.errors import RecordError
from wf_dagster.records import SignalRecord
from wf_dagster.records.predictions import check_pred, check_rows
from wf_dagster.tracking import R

SCORE = frames.signal()[0].rename("score")
WANTED = SCORE.to_frame()
DAYS = SCORE.index.get_level_values("datetime").unique()

RIGHT = {
    "in order": lambda s: s,
    "shuffled": lambda s: s.sample(frac=1, random_state=0),
    "unnamed": lambda s: s.rename_axis([None, None]),
    "other names": lambda s: s.rename_axis(["date", "symbol"]),
    "swapped": lambda s: s.swaplevel(),
    "swapped and unnamed": lambda s: s.swaplevel().rename_axis([None, None]),
    "days as texts": lambda s: s.set_axis(
        s.index.set_levels([f"{day:%Y-%m-%d}" for day in s.index.levels[0]], level=0)
    ),
    "a frame": lambda s: s.to_frame(),
    "a frame of one column": lambda s: s.to_frame("pred"),
    "objects": lambda s: s.astype(object),
    "nullable": lambda s: s.astype("Float64"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_rows_and_scores_are_put_right(case):
    pred = check_pred(RIGHT[case](SCORE), "Net")
    pd.testing.assert_frame_equal(pred, WANTED, check_freq=False)


def test_scores_of_32_bits_stay_what_they_are():
    pred = check_pred(SCORE.astype("float32"), "Net")
    pd.testing.assert_frame_equal(pred, WANTED.astype("float32"))


WRONG = {
    "an array": (
        lambda s: s.to_numpy(),
        r"gave a ndarray of shape \(\d+,\): it must give a pandas",
    ),
    "a table": (lambda s: s.to_numpy()[:, None], r"gave a ndarray of shape \(\d+, 1\)"),
    "no rows": (lambda s: s.reset_index(drop=True), r"rows named \[None\].*index=features.index"),
    "two days": (
        lambda s: pd.Series(1.0, pd.MultiIndex.from_product([DAYS, DAYS])),
        r"rows named \['datetime', 'datetime'\]: they must be \['datetime', 'instrument'\]",
    ),
    "numbers as days": (
        lambda s: s.set_axis(s.index.set_levels(range(len(s.index.levels[0])), level=0)),
        r"level 'datetime' holds no days, such as 0 \(they are int64\)",
    ),
    "texts as days": (
        lambda s: s.set_axis(
            s.index.set_levels([f"day {n}" for n in range(len(s.index.levels[0]))], level=0)
        ),
        r"level 'datetime' holds no days, such as 'day 0'",
    ),
    "classes": (
        lambda s: pd.Series("up", s.index),
        r"gave scores that are no numbers, such as 'up'",
    ),
    "complex": (lambda s: s * 1j, r"gave scores that are no numbers, .*they are complex"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_refused_by_the_name_of_the_model(case):
    make, message = WRONG[case]
    with pytest.raises(RecordError, match=rf"^Net\.predict gave .*{message.removeprefix('gave ')}"):
        check_pred(make(SCORE), "Net")


def test_infinite_scores_are_missing_and_counted(caplog):
    odd = SCORE.copy()
    odd.iloc[[0, 3]] = [np.inf, -np.inf]
    pred = check_pred(odd, "Net")
    assert pred["score"].isna().to_numpy().nonzero()[0].tolist() == [0, 3]
    assert f"2 of {len(odd)} predictions of Net are infinite" in caplog.text


class Dataset:
    def __init__(self, start, end):
        self.segments = {"test": (start, end)}

    def prepare(self, *_, **__):
        start, end = self.segments["test"]
        return pd.DataFrame({"label": 0.0}, SCORE.loc[start:end].index)


class Model:
    def __init__(self, pred):
        self.pred = pred

    def predict(self, dataset):
        return self.pred


@pytest.mark.parametrize(
    ("start", "end"), [(DAYS[2], None), (None, DAYS[-3]), (str(DAYS[2])[:10], str(DAYS[-3])[:10])]
)
def test_predictions_beyond_the_test_segment_are_refused(start, end):
    with R.start(experiment_name="records"):
        recorder = R.get_recorder()
        record = SignalRecord(Model(SCORE), Dataset(start, end), recorder)
        with pytest.raises(
            RecordError, match=r"Model\.predict gave \d+ of \d+ rows outside of the"
        ):
            record.generate()
        inside = Dataset(start, end).prepare().index
        SignalRecord(Model(SCORE[inside]), Dataset(start, end), recorder).generate()
    assert len(recorder.load_object("pred.pkl")) == len(inside)


def test_rows_without_a_score_are_counted(caplog):
    dataset = Dataset(None, None)
    labels = dataset.prepare().index
    with caplog.at_level(logging.WARNING):
        check_rows(WANTED, labels, dataset, "Net")
        assert caplog.text == ""
        check_rows(WANTED.iloc[3:], labels, dataset, "Net")
    first = labels[0]
    said = f"Net gave no score for 3 of {len(labels)} rows of the test segment, the first "
    assert f"{said}{first[0]:%Y-%m-%d} {first[1]}" in caplog.text
