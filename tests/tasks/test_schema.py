"""A malformed task is refused with the path of the wrong key."""

from __future__ import annotations

import copy
import sys

import pandas as pd
import pytest

from assets.strategies import STRATEGIES
from tests.support import task_of
from wf_dagster.calendars import TradingCalendar
from wf_dagster.data import PanelDataset
from wf_dagster.errors import TaskError
from wf_dagster.market import Market
from wf_dagster.models import SklearnModel
from wf_dagster.tasks import validate_task

CALENDAR = TradingCalendar.from_exchange("XNYS", "2018-01-02", "2020-12-31")
QLIB_TASK = {
    "model": {
        "class": "LGBModel",
        "module_path": "qlib.contrib.model.gbdt",
        "kwargs": {"loss": "mse", "learning_rate": 0.2},
    },
    "dataset": {
        "class": "DatasetH",
        "module_path": "qlib.data.dataset",
        "kwargs": {
            "handler": {
                "class": "Alpha158",
                "module_path": "qlib.contrib.data.handler",
                "kwargs": {
                    "start_time": "2008-01-01",
                    "end_time": "2020-08-01",
                    "fit_start_time": "2008-01-01",
                    "fit_end_time": "2014-12-31",
                    "instruments": "csi300",
                },
            },
            "segments": {
                "train": ["2008-01-01", "2014-12-31"],
                "valid": ["2015-01-01", "2016-12-31"],
                "test": ["2017-01-01", "2020-08-01"],
            },
        },
    },
    "record": {"class": "SignalRecord", "module_path": "qlib.workflow.record_temp"},
}


def changed(path, value):
    """The task of tests with one value replaced; ``...`` removes the key."""
    task = copy.deepcopy(task_of("2020-03-02"))
    *above, last = path.split(".")
    place = task
    for key in above:
        place = place[int(key) if isinstance(place, list) else key]
    if value is ...:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return task


def segments(**given):
    return changed("dataset.kwargs.segments", given)


@pytest.mark.parametrize(
    "task",
    [
        task_of("2020-03-02"),
        *[strategy.template for strategy in STRATEGIES.values()],
        changed("record", ...),
        changed("record", None),
        changed("record", "wf_dagster.records.SigAnaRecord"),
        changed("record.1.kwargs", ...),
        changed("model", "wf_dagster.models.SklearnModel"),
        changed("model", SklearnModel("sklearn.linear_model.Ridge")),
        changed("model", {"class": SklearnModel, "kwargs": None}),
        changed("model", {"func": "deepcopy", "module_path": "copy"}),
        {**task_of("2020-03-02"), "reweighter": None},
        segments(train=(None, "2019-12-31"), test=("2020-01-02", None)),
        segments(test=("2020-01-02", "2020-01-02")),
    ],
)
def test_a_good_task_is_accepted_and_left_as_it_is(task):
    before = repr(task)
    validate_task(task, resolve=True)
    assert repr(task) == before


def test_a_task_of_qlib_is_accepted_without_qlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "qlib", None)  # as if it were not installed
    task = copy.deepcopy(QLIB_TASK)
    validate_task(task)  # tests/qlib/test_without_qlib.py resolves one
    assert task == QLIB_TASK


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (None, "a task is a dict with 'model' and 'dataset', not NoneType"),
        ("task", "a task is a dict .* not str"),
        ({}, "model is missing"),
        (changed("model", None), "model is missing"),
        (changed("dataset", ...), "dataset is missing"),
        (changed("model", 5), "model is 5: use a dict with 'class'"),
        (changed("model", ["a"]), r"model is \['a'\]: use a dict with 'class'"),
        (changed("model", ""), r"model\.class is '': use a class or its name"),
        (changed("model.class", ...), r"model\.class is missing"),
        (changed("model.class", 5), r"model\.class is 5"),
        (changed("model.module_path", 5), r"model\.module_path is 5: use the name of a module"),
        (changed("model.kwarg", {}), r"model\.kwarg is unknown"),
        (changed("dataset.kwargs", []), r"dataset\.kwargs is \[\]: use a dict"),
        (changed("dataset.kwargs", {5: 1}), r"dataset\.kwargs has the key 5"),
        (changed("record", 5), "record is 5"),
        (changed("record.0", None), r"record\.0 is None"),
        (changed("record.1.kwargs", "x"), r"record\.1\.kwargs is 'x'"),
        (changed("record.1.class", ...), r"record\.1\.class is missing"),
    ],
)
def test_a_malformed_task_is_refused_with_the_path(task, message):
    with pytest.raises(TaskError, match=f"^({message})"):
        validate_task(task)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("models", "did you mean 'model'?"),
        ("Dataset", "did you mean 'dataset'?"),
        ("recorder", "did you mean 'record'?"),
        ("recrod", "did you mean 'record'?"),
        ("remark", "a task has dataset, model, record, reweighter"),
    ],
)
def test_a_key_that_nothing_reads_is_kept_and_named_once(key, hint, caplog):
    task = changed(key, {"a": 1})
    before = repr(task)
    validate_task(task)
    validate_task(task, resolve=True)
    assert repr(task) == before
    warnings = [record.getMessage() for record in caplog.records if key in record.getMessage()]
    assert warnings == [f"the key {key!r} of the task is kept, but read by nothing here: {hint}"]


def test_what_generators_and_trainers_add_to_a_task_is_not_named(caplog):
    task = task_of("2020-03-02")
    beside = {"as_of": "2020-04-30", "trunc_days": 2, "market": Market(), "reweighter": len}
    validate_task({**task, **beside})
    assert "read by nothing" not in caplog.text


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model.module_path", "wf_dagster.modles", r"model\.class: module 'wf_dagster\.modles'"),
        ("model.class", "SklearnModle", r"model\.class: .*did you mean 'SklearnModel'"),
        ("dataset.class", "Panels", r"dataset\.class: module 'wf_dagster\.data' has no 'Panels'"),
        ("record.1.class", "SigAna", r"record\.1\.class: .*has no 'SigAna'"),
        ("model", "SklearnModel", r"model\.class: 'SklearnModel' does not say where it is"),
    ],
)
def test_a_class_that_is_not_there_is_refused_when_asked_to_look(path, value, message):
    task = changed(path, value)
    validate_task(task)
    with pytest.raises(TaskError, match=f"^{message}"):
        validate_task(task, resolve=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, r"segments is 5: use a dict such as"),
        ({}, r"segments is \{\}"),
        ({"train": "2020"}, r"segments\.train: '2020' is no segment"),
        ({"train": ("2020-01-02",)}, r"segments\.train: .* is no segment"),
        ({"train": ("soon", None)}, r"segments\.train: 'soon' is no date"),
        ({"train": (20200102, None)}, r"segments\.train: 20200102 is no date"),
        (
            {"test": ("2020-02-01", "2020-01-01")},
            r"segments\.test starts 2020-02-01, after its end",
        ),
        (
            {"train": ("2018-01-02", "2019-06-28"), "test": ("2019-06-28", None)},
            r"segments\.train ends 2019-06-28, but test starts 2019-06-28",
        ),
        (
            {"test": ("2018-01-02", "2018-12-31"), "train": ("2019-01-02", "2019-12-31")},
            r"segments\.train ends 2019-12-31, but test starts 2018-01-02",
        ),
        (
            {"train": ("2018-01-02", "2018-12-31"), "valid": ("2018-06-01", "2019-06-01")},
            r"segments\.train ends 2018-12-31, but valid starts 2018-06-01",
        ),
        (
            {"train": ("2018-01-02", None), "test": ("2019-01-02", None)},
            r"segments\.train is open, but test starts 2019-01-02",
        ),
        (
            {"valid": ("2018-01-02", "2018-12-31"), "test": (None, None)},
            r"segments\.valid ends 2018-12-31, but test starts at the beginning",
        ),
    ],
)
def test_segments_out_of_order_or_overlapping_are_refused(given, message):
    with pytest.raises(TaskError, match=rf"^dataset\.kwargs\.{message}"):
        validate_task(changed("dataset.kwargs.segments", given))


YEARS = ("2018-01-02", "2019-12-31")


@pytest.mark.parametrize(
    ("given", "overlap"),
    [
        (
            {"train": YEARS, "valid": YEARS, "test": ("2020-01-02", None)},
            "valid starts before train has ended; ",
        ),
        (
            {"train": YEARS, "test": ("2019-12-31", "2020-06-30")},
            "test starts before train has ended; ",
        ),
        (
            {"train": YEARS, "valid": ("2020-01-02", "2020-06-30"), "test": ("2019-01-02", None)},
            "test starts before train has ended, test starts before valid has ended; ",
        ),
    ],
)
def test_segments_of_qlib_s_datasets_may_overlap_which_is_said_once(given, overlap, caplog):
    task = copy.deepcopy(QLIB_TASK)
    task["dataset"]["kwargs"]["segments"] = given
    validate_task(task)
    validate_task(task)
    (warning,) = [r.getMessage() for r in caplog.records if "has ended" in r.getMessage()]
    assert warning.startswith(f"dataset.kwargs.segments: {overlap}they are taken as they are")


class OwnPanel(PanelDataset):
    """A user's dataset, derived from one of this project."""


@pytest.mark.parametrize("kind", [OwnPanel, "tests.tasks.test_schema.OwnPanel"])
def test_segments_of_a_dataset_derived_from_this_project_s_may_not(kind):
    task = changed("dataset.kwargs.segments", {"train": YEARS, "test": ("2019-12-31", None)})
    task["dataset"] = {"class": kind, "kwargs": task["dataset"]["kwargs"]}
    with pytest.raises(TaskError, match="must follow one another without overlap"):
        validate_task(task, resolve=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("2021-06-01", "2021-07-01"), r"\(2021-06-01 to 2021-07-01\) is outside the calendar"),
        (("2021-06-01", None), r"\(2021-06-01 to open\) is outside the calendar"),
        (
            (None, "2017-12-29"),
            r"\(open to 2017-12-29\) is outside .*from 2018-01-02 to 2020-12-31",
        ),
        (("2020-07-03", "2020-07-05"), "from 2020-07-03 to 2020-07-05 holds no session"),
    ],
)
def test_segments_without_a_session_are_refused(given, message):
    task = segments(test=given)
    validate_task(task)
    with pytest.raises(TaskError, match=rf"^dataset\.kwargs\.segments\.test {message}"):
        validate_task(task, calendar=CALENDAR)


@pytest.mark.parametrize(
    ("reaching", "beyond"),
    [
        (("2017-01-01", "2018-01-02"), ("2017-01-01", "2018-01-01")),
        (("2020-12-31", "2022-01-01"), ("2021-01-01", "2022-01-01")),
        ((None, None), (None, "2018-01-01")),
    ],
)
def test_segments_that_hold_a_session_may_reach_past_the_calendar(reaching, beyond):
    task = segments(test=reaching)
    validate_task(task, calendar=CALENDAR)
    assert task == segments(test=reaching)
    with pytest.raises(TaskError, match="outside the calendar"):
        validate_task(segments(test=beyond), calendar=CALENDAR)


def test_dates_may_be_dates():
    days = tuple(pd.Timestamp(day).date() for day in ("2018-01-02", "2019-12-31"))
    task = segments(train=days, test=(pd.Timestamp("2020-01-02"), None))
    validate_task(task, calendar=CALENDAR)
    assert task["dataset"]["kwargs"]["segments"]["train"] == days
    with pytest.raises(TaskError, match="train ends 2019-12-31, but test starts 2019-12-31"):
        validate_task(segments(train=days, test=(days[1], None)), calendar=CALENDAR)


@pytest.mark.parametrize("dataset", [object(), "package.Data"])
def test_a_dataset_that_is_ready_brings_its_own_segments(dataset):
    task = {"model": "package.Model", "dataset": dataset}
    validate_task(task, calendar=CALENDAR)
    assert task == {"model": "package.Model", "dataset": dataset}
    with pytest.raises(TaskError, match=r"^dataset\.kwargs\.segments"):
        validate_task(segments(), calendar=CALENDAR)  # a configuration has to say them
