"""Predictions are compared with the label that the model was told to predict."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster import R
from wf_dagster.collect import collect_rolling
from wf_dagster.data import PanelDataset
from wf_dagster.data.labels import looks_ahead
from wf_dagster.errors import RecordError, TaskError
from wf_dagster.models import SklearnModel
from wf_dagster.records import SigAnaRecord, SignalRecord
from wf_dagster.tasks import label_horizon

DAYS = pd.bdate_range("2021-01-04", periods=10)
ROWS = pd.MultiIndex.from_product([DAYS, list("ABCDE")], names=["datetime", "instrument"])
LEVELS = np.tile([-0.02, -0.01, 0.0, 0.01, 0.02], len(DAYS))
SCORE = pd.DataFrame({"score": LEVELS}, ROWS)
# the score orders `b` rightly and `a` the wrong way round
LABELS = pd.DataFrame({"a": -LEVELS, "b": LEVELS}, ROWS)


@looks_ahead(horizon=5, lag=1)
def five(prices):
    close = prices["close"].unstack("instrument")
    return (close.shift(-6) / close.shift(-1) - 1).stack().reindex(prices.index).to_frame("a")


@looks_ahead(horizon=1, lag=1)
def single(prices):
    close = prices["close"].unstack("instrument")
    return (close.shift(-2) / close.shift(-1) - 1).stack().reindex(prices.index).to_frame("b")


@looks_ahead(horizon=9, lag=1)
def both(prices):
    return five(prices).join(single(prices))


def task_of(label_column=None, labels=(five, single)):
    kwargs = {} if label_column is None else {"label_column": label_column}
    label = [{"func": f"{__name__}.{function.__name__}"} for function in labels]
    return {
        "model": {"class": "SklearnModel", "module_path": "wf_dagster.models", "kwargs": kwargs},
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {"segments": {}, "label": label},
        },
    }


def recorder_of(task=None, **tags):
    objects = {"pred.pkl": SCORE, "label.pkl": LABELS} | ({} if task is None else {"task": task})
    with R.start(experiment_name="records", tags=tags):
        R.save_objects(**objects)
        return R.get_recorder()


def analyse(recorder, **given):
    """IC, annual return and what is said of them."""
    SigAnaRecord(recorder, **given).generate()
    metrics = recorder.list_metrics()
    annual = metrics.get("Long-Short Ann Return")
    return metrics["IC"], annual, recorder.list_tags()["sig_analysis.figures"]


@pytest.mark.parametrize("label_column", ["b", 1, -1])
def test_the_label_of_the_model_counts_with_its_own_horizon(label_column):
    ic, annual, said = analyse(recorder_of(task_of(label_column)))
    assert ic == pytest.approx(1)
    assert annual == pytest.approx((0.02 + 0.02) / 2 * 252)  # over one session
    assert said.startswith("252 sessions a year, labels of 1; measured against label b of a, b")


def test_a_model_that_is_not_told_predicts_the_first():
    ic, annual, said = analyse(recorder_of(task_of()))
    assert ic == pytest.approx(-1)
    assert annual == pytest.approx(-0.02 / 5 * 252)
    assert "labels of 5; measured against label a of a, b" in said


def test_a_position_that_is_given_counts_before_the_model_s():
    ic, annual, said = analyse(recorder_of(task_of("b")), label_col=0)
    assert (ic, annual) == (pytest.approx(-1), pytest.approx(-0.02 / 5 * 252))
    assert "against label a of" in said
    with pytest.raises(RecordError, match="label_col=2"):
        analyse(recorder_of(task_of("b")), label_col=2)


def test_a_column_that_the_labels_have_not_is_refused():
    with pytest.raises(TaskError, match=r"label_column is 'c': the labels are \['a', 'b'\]"):
        analyse(recorder_of(task_of("c")))


def test_where_columns_have_no_function_of_their_own_the_longest_horizon_counts():
    assert label_horizon(task_of("b"), ["a", "b"]) == 1
    assert label_horizon(task_of("b")) == 5  # the columns are not known
    assert label_horizon(task_of("b", [both]), ["a", "b"]) == 9
    assert label_horizon(task_of("b", [both, single]), ["a", "b", "c"]) == 9


def test_a_single_label_that_is_given_is_what_is_meant():
    recorder = recorder_of(task_of("b"))
    SigAnaRecord(recorder).generate(label=LABELS[["a"]].rename(columns={"a": "late"}))
    assert recorder.list_metrics()["IC"] == pytest.approx(-1)
    assert "measured against" not in recorder.list_tags()["sig_analysis.figures"]


def test_a_model_that_was_trained_by_hand_leaves_a_tag(tmp_path):
    prices = made_prices(sessions=60, instruments=5)
    prices.to_parquet(tmp_path / "prices.parquet")
    days = pd.DatetimeIndex(prices["datetime"].unique())
    data = PanelDataset(
        {"train": (days[5], days[30]), "test": (days[40], days[50])},
        features="tests.data.value_features.month_starts",
        label=[{"func": f"{__name__}.five"}, {"func": f"{__name__}.single"}],
        infer_processors=["Fillna"],
        prices=str(tmp_path / "prices.parquet"),
    )
    model = SklearnModel("sklearn.linear_model.Ridge", label_column="b")
    model.fit(data)
    with R.start(experiment_name="records"):
        SignalRecord(model, data, R.get_recorder()).generate()
        SigAnaRecord(R.get_recorder()).generate()
        tags = R.get_recorder().list_tags()
    assert (tags["label_column"], tags["label_horizon"]) == ("b", "1")
    assert "labels of 1; measured against label b of a, b" in tags["sig_analysis.figures"]


def test_what_is_collected_is_the_label_of_the_model():
    by_task, by_tag, first = (
        recorder_of(task_of("b")),
        recorder_of(label_column="b"),
        recorder_of(task_of()),
    )
    for recorder, name in ((by_task, "b"), (by_tag, "b"), (first, "a")):
        collection = collect_rolling([("2021", recorder)])
        pd.testing.assert_frame_equal(collection.label, LABELS[[name]])
        assert collection.labels == ["a", "b"]
