"""A model trained before its test segment begins: it is kept, and predictions follow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.support import task_of
from wf_dagster.collect import collect_rolling
from wf_dagster.errors import CollectError, DataError
from wf_dagster.tracking import R
from wf_dagster.training import task_train
from wf_dagster.training.refresh import refresh_recorder

PORTFOLIO = {"class": "PortAnaRecord", "module_path": "wf_dagster.records", "kwargs": {}}


def task_with(test=("2019-04-01", "2019-04-30")):
    task = task_of("2019-04-01")
    task["dataset"]["kwargs"]["segments"] = {"train": ("2017-01-03", "2019-03-05"), "test": test}
    task["record"].append(PORTFOLIO)
    return task


def as_of(home, day):
    wf_dagster.init(home=home, as_of=day)


def test_the_model_is_kept_and_all_frames_are_there_without_rows(home):
    as_of(home, "2019-03-15")
    recorder = task_train(task_with(), "demo")
    assert recorder.status == "FINISHED"
    for name, column in (("pred.pkl", "score"), ("label.pkl", "label")):
        frame = recorder.load_object(name)
        assert len(frame) == 0
        assert list(frame.columns) == [column]
        assert frame[column].dtype == "float64"
        assert frame.index.names == ["datetime", "instrument"]
        assert [level.dtype for level in frame.index.levels] == ["datetime64[ns]", "object"]
    assert list(recorder.list_metrics()) == ["fit_seconds"]
    assert recorder.list_tags()["labels_known"] == "none"
    assert len(recorder.load_object("sig_analysis/ic.pkl")) == 0
    assert len(recorder.load_object("portfolio_analysis/report_normal_1day.pkl")) == 0
    positions = recorder.load_object("portfolio_analysis/positions_normal_1day.pkl")
    assert list(positions.columns) == ["weight"]


def test_predictions_follow_with_the_prices_and_are_those_of_a_later_training(home):
    as_of(home, "2019-03-15")
    early = task_train(task_with(), "demo")
    as_of(home, "2019-06-28")
    refresh_recorder(early)
    late = task_train(task_with(), "demo")
    again = R.get_recorder(recorder_id=early.id, experiment_name="demo")
    for name in ("pred.pkl", "label.pkl", "sig_analysis/ic.pkl"):
        frame = again.load_object(name)
        assert len(frame)
        pd.testing.assert_index_equal(frame.index, late.load_object(name).index)
        assert np.allclose(frame, late.load_object(name), rtol=0, atol=1e-12, equal_nan=True)
    assert again.list_metrics()["IC"] == pytest.approx(late.list_metrics()["IC"])


def test_the_first_session_with_prices_is_predicted(home):
    as_of(home, "2019-04-01")
    days = task_train(task_with(), "demo").load_object("pred.pkl").index.unique("datetime")
    assert list(days) == [pd.Timestamp("2019-04-01")]


def test_a_test_segment_that_is_empty_for_another_reason_is_an_error(home):
    as_of(home, "2019-06-28")
    with pytest.raises(DataError, match=r"segment test \(2019-04-06 to 2019-04-07\) has no rows"):
        task_train(task_with(("2019-04-06", "2019-04-07")), "demo")  # a weekend


def test_such_a_recorder_is_awaited_and_no_gap(home):
    as_of(home, "2019-03-29")
    march = task_train(task_of("2019-03-01"), "demo")
    april = task_train(task_with(), "demo")
    collection = collect_rolling(
        [("2019-03-01", march), ("2019-04-01", april)],
        expected=["2019-02-01", "2019-03-01", "2019-04-01"],
    )
    assert (collection.keys, collection.awaited, collection.gaps) == (
        ["2019-03-01"],
        ["2019-04-01"],
        ["2019-02-01"],
    )
    pd.testing.assert_frame_equal(collection.pred, march.load_object("pred.pkl"))
    with pytest.raises(CollectError, match="no roll has predictions yet: the test segments of 201"):
        collect_rolling([("2019-04-01", april)])
