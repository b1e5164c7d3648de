"""Which records are of each training, and which of many together; the dates that they fix."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from wf_dagster import RollingGen, TradingCalendar, log_once
from wf_dagster.errors import TaskError
from wf_dagster.records import PortfolioConfig, RecordTemplate, SignalRecord
from wf_dagster.tasks.record_dates import FixedDates, change_fixed_dates, read_fixed_dates
from wf_dagster.tasks.record_split import split_records
from wf_dagster.tasks.signature_book import SignatureBook

SIGNAL = {"class": "SignalRecord", "module_path": "wf_dagster.records"}
SIGNAL_ANALYSIS = {"class": "SigAnaRecord", "module_path": "wf_dagster.records"}
PORTFOLIO = "wf_dagster.records.PortAnaRecord"


class Importances(RecordTemplate):
    """Reads the model itself."""

    def __init__(self, recorder, model) -> None:
        super().__init__(recorder)
        self.model = model


class Turnover(RecordTemplate):
    """Reads what a recorder holds."""


class HandsOn(SignalRecord):
    """Hands on what it is given."""

    def __init__(self, recorder, **kwargs) -> None:
        super().__init__(recorder=recorder, **kwargs)


def split(*records, look_up=None):
    return split_records({"model": "m.M", "dataset": "d.D", "record": list(records)}, look_up)


@pytest.mark.parametrize("with_book", [False, True])
def test_what_needs_a_model_or_a_dataset_is_of_each_training(with_book, tmp_path: Path):
    look_up = SignatureBook(tmp_path).look_up if with_book else None
    by_placeholder = {"class": Turnover, "kwargs": {"topk": "<DATASET>"}}
    of_training = [SIGNAL, {"class": Importances}, {"class": HandsOn}, by_placeholder]
    of_all = [SIGNAL_ANALYSIS, PORTFOLIO, {"class": Turnover}]
    parts = split(*of_training, *of_all, look_up=look_up)
    assert parts.signal == of_training
    assert parts.analysis == of_all


def test_a_record_alone_is_split_as_a_list_is():
    assert split_records({"record": SIGNAL_ANALYSIS}).analysis == [SIGNAL_ANALYSIS]
    assert split_records({"record": SIGNAL}).signal == [SIGNAL]
    assert split_records({}).analysis == []


def test_a_record_that_is_not_there_is_named():
    with pytest.raises(TaskError, match=r"record\.0.*SigAnnaRecord"):
        split("wf_dagster.records.SigAnnaRecord")


# dates


def test_dates_are_read_wherever_a_record_takes_them_and_changed_there():
    qlib = {
        "class": "PortAnaRecord",
        "kwargs": {"config": {"backtest": {"start_time": "2019-01-02", "end_time": None}}},
    }
    own = {"class": PORTFOLIO, "kwargs": {"topk": 3, "end_time": "2020-01-02"}}
    ready = {"class": PORTFOLIO, "kwargs": {"config": PortfolioConfig(start_time="2019-01-02")}}
    places = []
    for record in (qlib, own, ready):
        dates = read_fixed_dates(record)
        places.append(dates.place)
        open_dates = FixedDates(dates.place)
        assert read_fixed_dates(change_fixed_dates(record, open_dates)) is None
        assert read_fixed_dates(record) == dates  # it stays as it was
    assert places == [("kwargs", "config", "backtest"), ("kwargs",), ("kwargs", "config")]
    assert str(read_fixed_dates(qlib)) == "2019-01-02 to the last"
    nothing = {"class": PORTFOLIO, "kwargs": {"config": {"backtest": {"start_time": None}}}}
    placeholder = {"class": PORTFOLIO, "kwargs": {"start_time": "<dataset.kwargs.segments.test.0>"}}
    assert [read_fixed_dates(r) for r in (nothing, placeholder, PORTFOLIO, None)] == [None] * 4


@pytest.mark.parametrize(
    ("first", "last", "outside"),
    [
        ("2019-01-02", "2019-12-31", False),
        ("2019-01-03", "2019-12-31", True),
        ("2019-01-02", "2019-12-30", True),
        (None, None, False),
    ],
)
def test_dates_reach_outside_a_range_that_begins_later_or_ends_earlier(first, last, outside):
    record = {"class": "R", "kwargs": {"start_time": "2019-01-02", "end_time": "2019-12-31"}}
    bounds = {"class": "R", "kwargs": {"start_time": first, "end_time": last}}
    limits = read_fixed_dates(bounds) or FixedDates(())
    assert read_fixed_dates(record).reaches_outside(limits.start, limits.end) is outside


def rolled(record, step: int, caplog) -> str:
    calendar = TradingCalendar(["2019-01-02", "2019-01-03", "2019-01-04", "2019-01-07"])
    segments = {"train": ("2019-01-02", "2019-01-03"), "test": ("2019-01-04", None)}
    task = {
        "model": "package.Model",
        "dataset": {"class": "package.Data", "kwargs": {"segments": segments}},
        "record": [SIGNAL, record],
    }
    log_once.warn_once.cache_clear()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        tasks = RollingGen(step, calendar=calendar).generate(task)
        RollingGen(step, calendar=calendar).generate(task)
    assert len(tasks) == 2 // step
    assert tasks[0]["record"] == task["record"]  # which are left as they are
    return caplog.text


def test_rolls_that_share_fixed_dates_are_warned_of_once(caplog):
    dates = {"start_time": "2019-01-04", "end_time": "2019-01-07"}
    own = {"class": PORTFOLIO, "kwargs": dates}
    qlib = {
        "class": "qlib.workflow.record_temp.PortAnaRecord",
        "kwargs": {"config": {"backtest": dates}},
    }
    said = rolled(own, 1, caplog)
    assert said.count("record.1 (PortAnaRecord) fixes its dates, 2019-01-04 to 2019-01-07") == 1
    assert "a roll outside of them fails" in said
    assert "they count in its figures" in rolled(qlib, 1, caplog)
    assert rolled(own, 2, caplog) == ""  # a single roll has the dates of its own
    assert rolled({"class": PORTFOLIO}, 1, caplog) == ""
