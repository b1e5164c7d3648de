"""What cannot be trained says what, where, and what to do."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

import wf_dagster
from tests.qlib.bridge_calls import make_handler
from tests.qlib.provider import bar_panel, seeded_panel, write_provider
from tests.qlib.qlib_tasks import SEEDED, few_expressions, ridge, task
from wf_dagster import DataError, R, SettingsError, TaskError, task_train
from wf_dagster.errors import BrokenObjectError

FIT = SEEDED["train"]


def assert_refused(definition, error, *parts):
    with pytest.raises(error) as caught:
        task_train(definition, "bad")
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def with_handler(**changed):
    return task(ridge(), few_expressions("2019-02-01", "2020-08-11", FIT, **changed), SEEDED)


@pytest.mark.parametrize(
    ("instruments", "parts"),
    [
        ("csi999", ["'csi999'", "all, few"]),
        (["NOBODY", "NOWHERE"], ["2 of 2 have no data", "'NOBODY' (there are: SH600000"]),
        ([], ["[]", "select nothing"]),
    ],
)
def test_instruments_that_select_nothing(instruments, parts, seeded):
    assert_refused(with_handler(instruments=instruments), DataError, *parts)


def test_a_handler_that_ends_before_the_test_segment(seeded):
    definition = with_handler(end_time="2019-10-31")
    assert_refused(
        definition, DataError, "dataset.kwargs.handler.kwargs.end_time", "2019-10-31", "2019-11-01"
    )


def test_a_handler_that_starts_after_the_train_segment(seeded):
    definition = with_handler(start_time="2019-12-02")
    assert_refused(definition, DataError, "start_time", "2019-12-02", "train")


def test_data_of_another_frequency(tmp_path):
    folder = write_provider(tmp_path / "weekly", seeded_panel(2, 300), freq="week")
    wf_dagster.init(qlib_provider_uri=str(folder))
    assert_refused(with_handler(), DataError, str(folder), "week", "'day'", "qlib_provider_uri")


def test_a_provider_that_is_missing_makes_no_recorder(tmp_path):
    wf_dagster.init(qlib_provider_uri=str(tmp_path / "nothing"))
    assert_refused(with_handler(), SettingsError, "nothing", "WF_QLIB_PROVIDER_URI")
    assert R.list_recorders(experiment_name="bad") == {}


@pytest.mark.parametrize("minutes", ["missing", "without the list"])
def test_a_folder_of_a_frequency_that_nothing_asks_for(minutes, qlib_folder, tmp_path):
    if minutes != "missing":
        write_provider(tmp_path / "minutes", bar_panel(1), freq="1min")
    folders = {"1min": str(tmp_path / "minutes"), "day": str(qlib_folder / "seeded")}
    wf_dagster.init(qlib_options={"provider_uri": folders})
    recorder = task_train(with_handler(instruments="few"), "bad")
    assert len(recorder.load_object("pred.pkl"))


def test_a_folder_of_the_frequency_that_is_asked_for(qlib_folder, tmp_path):
    folders = {"1min": str(tmp_path / "minutes"), "day": str(qlib_folder / "seeded")}
    wf_dagster.init(qlib_options={"provider_uri": folders})
    definition = with_handler()
    handler = definition["dataset"]["kwargs"]["handler"]["kwargs"]
    handler["data_loader"]["kwargs"]["freq"] = "1min"
    with pytest.raises(SettingsError, match=r"minutes' is no folder"):
        task_train(definition, "bad")


def test_a_class_that_qlib_does_not_have(seeded):
    model = {"class": "LinerModel", "module_path": "qlib.contrib.model.linear", "kwargs": {}}
    assert_refused({**with_handler(), "model": model}, TaskError, "model.class", "'LinearModel'")


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_handler_pickle_of_another_pandas(prefix, seeded, tmp_path):
    # what pandas 1.x wrote names a module that pandas 2 does not have
    content = b"cpandas.core.indexes.numeric\nInt64Index\n."
    (tmp_path / "handler.pkl").write_bytes(content)
    definition = task(ridge(), f"{prefix}{tmp_path}/handler.pkl", SEEDED)
    assert_refused(definition, DataError, "handler.pkl", f"pandas {pd.__version__}")


def test_a_handler_pickle_that_is_not_there(seeded, tmp_path):
    assert_refused(
        task(ridge(), f"file://{tmp_path}/handler.pkl", SEEDED), DataError, "is not there"
    )


def test_a_handler_pickle_of_qlibs_trains(seeded, tmp_path):
    first = task_train(with_handler(), "config")
    handler = make_handler(with_handler()["dataset"]["kwargs"]["handler"])
    handler.config(dump_all=True)
    (tmp_path / "handler.pkl").write_bytes(pickle.dumps(handler))
    second = task_train(task(ridge(), f"file://{tmp_path}/handler.pkl", SEEDED), "pickle")
    assert second.load_object("pred.pkl").equals(first.load_object("pred.pkl"))
    assert len(second.load_object("dataset", raw="bytes")) < 50_000


def test_an_object_that_another_pandas_pickled(seeded, tmp_path):
    (tmp_path / "pred.pkl").write_bytes(b"cpandas.core.indexes.numeric\nInt64Index\n.")
    with R.start(experiment_name="old"):
        R.log_artifact(str(tmp_path / "pred.pkl"))
        recorder = R.get_recorder()
    with pytest.raises(BrokenObjectError, match=rf"pred.pkl.*pandas {pd.__version__}"):
        recorder.load_object("pred.pkl")
