"""Tasks that mix parts of Qlib's with others: each part is treated by whose it is."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.qlib.qlib_tasks import ridge, seeded_template
from wf_dagster import R, task_train
from wf_dagster.data import PanelDataset
from wf_dagster.data.adapters import DefaultAdapter, adapter_of, worker_modules
from wf_dagster.market import Market
from wf_dagster.records import RecordTemplate

SEGMENTS = {"train": ("2019-01-02", "2019-06-28"), "test": ("2019-07-01", "2019-07-31")}
PANEL = {"class": PanelDataset, "kwargs": {"segments": SEGMENTS}}


@pytest.fixture
def own_record():
    """A record that is derived from one of Qlib's; its module does not say so."""
    from qlib.workflow.record_temp import RecordTemp

    class Own(RecordTemp):
        pass

    Own.__module__ = "records_of_mine"
    return Own


class OwnRecord(RecordTemplate):
    pass


class Mean:
    """Predicts the mean of the labels it has seen."""

    def fit(self, dataset):
        self.mean = float(
            dataset.prepare("train", col_set="label", data_key="learn").mean().iloc[0]
        )

    def predict(self, dataset):
        features = dataset.prepare("test", col_set="feature", data_key="infer")
        return pd.Series(self.mean, features.index)


def test_a_record_derived_from_qlibs_gets_the_recorder_which_is_one_of_qlibs(own_record):
    from qlib.workflow.recorder import Recorder

    record = {"class": own_record}
    task = {"model": "sklearn.linear_model.Ridge", "dataset": PANEL, "record": record}
    adapter = adapter_of(task, Market())
    assert not isinstance(adapter, DefaultAdapter)
    recorder = R.get_exp(experiment_name="own").create_recorder()
    assert isinstance(recorder, Recorder)
    assert adapter.make_record({"class": own_record}, recorder).recorder is recorder
    assert adapter.make_record({"class": OwnRecord}, recorder).recorder is recorder
    assert adapter.market == Market()  # the dataset is not Qlib's
    assert isinstance(adapter.make_dataset(), PanelDataset)


def test_a_dataset_of_qlibs_stands_on_qlibs_data_whoever_the_model_is_of(seeded):
    task = {**seeded_template(ridge()), "model": {"class": Mean}}
    adapter = adapter_of(task, Market())
    assert adapter.market == Market().with_prices("qlib")
    assert {"qlib", "wf_dagster.qlib_bridge.adapter"} <= set(worker_modules(task))
    task["record"] = {"class": "wf_dagster.records.SignalRecord"}
    pred = task_train({**task}, "own_model").load_object("pred.pkl")
    assert pred["score"].nunique() == 1
    assert len(pred) > 300


def test_a_model_of_qlibs_trains_on_a_dataset_of_this_project(home):
    task = {
        "model": ridge(),
        "dataset": {
            "class": "wf_dagster.data.PanelDataset",
            "kwargs": {
                "segments": SEGMENTS,
                "learn_processors": ["wf_dagster.data.processors.DropnaLabel"],
                "infer_processors": [{"class": "wf_dagster.data.processors.Fillna"}],
            },
        },
        "record": {"class": "wf_dagster.records.SignalRecord"},
    }
    adapter = adapter_of(task, Market())
    assert not isinstance(adapter, DefaultAdapter)
    assert adapter.market == Market()
    pred = task_train(task, "own_dataset").load_object("pred.pkl")
    assert pred["score"].notna().all()
