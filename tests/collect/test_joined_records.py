"""Records on joined predictions: what they are given, and the dates that they fix."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from tests.support import task_of
from wf_dagster import R, TradingCalendar
from wf_dagster.collect.joined_records import clip_fixed_dates, generate_joined_records
from wf_dagster.errors import CollectError, TaskError
from wf_dagster.records import RecordTemplate
from wf_dagster.tasks.record_dates import read_fixed_dates

DAYS = pd.bdate_range("2019-01-01", "2019-02-28")
CALENDAR = TradingCalendar(DAYS)
SIGNAL = {"class": "SigAnaRecord", "module_path": "wf_dagster.records"}


class Told(RecordTemplate):
    """Keeps what it was told."""

    def __init__(self, recorder, since, market=None) -> None:
        super().__init__(recorder)
        self.since, self.market = since, market

    def generate(self, **kwargs) -> None:
        self.save(told=self.since)

    def list(self) -> list[str]:
        return ["told"]


class Silent(Told):
    """Keeps nothing, and does not say so."""

    def generate(self, **kwargs) -> None:
        return None


@pytest.fixture
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = pd.MultiIndex.from_product(
        [DAYS[5:15], list("abcdef")], names=["datetime", "instrument"]
    )
    values = np.random.default_rng(3).normal(size=(2, len(rows)))
    return pd.DataFrame({"score": values[0]}, rows), pd.DataFrame({"label": values[1]}, rows)


@pytest.fixture
def recorder():
    with R.start(experiment_name="joined"):
        return R.get_recorder()


def test_analyses_of_a_task_are_computed_and_get_what_they_ask_for(recorder, frames):
    pred, label = frames
    since = {"class": Told, "kwargs": {"since": "<dataset.kwargs.segments.test.0>"}}
    task = {**task_of("2019-01-01"), "record": [*task_of("2019-01-01")["record"], since]}
    records = generate_joined_records(task, recorder, pred=pred, label=label)  # it has ended
    assert [type(record).__name__ for record in records] == ["SigAnaRecord", "Told"]
    assert records[1].market is not None
    assert recorder.load_object("told") == "2019-01-01"
    assert recorder.list_tags()["label_horizon"] == "5"  # what the label of the task spans
    by_day = pred.join(label).groupby(level="datetime")
    ic = by_day.apply(lambda day: day["score"].corr(day["label"]))
    metrics = recorder.list_metrics()
    assert metrics["IC"] == pytest.approx(ic.mean(), abs=1e-12)
    assert "Long-Short Ann Return" in metrics  # annual, as the horizon is known
    for name, frame in (("pred.pkl", pred), ("label.pkl", label)):
        pd.testing.assert_frame_equal(recorder.load_object(name), frame, check_freq=False)


def test_frames_that_a_recorder_holds_are_taken(recorder, frames):
    pred, label = frames
    recorder.save_objects(**{"pred.pkl": pred, "label.pkl": label})
    (record,) = generate_joined_records(task_of("2019-01-01"), recorder, [SIGNAL])
    assert len(record.load("ic.pkl")) == 10


def test_without_predictions_nothing_is_computed(recorder, frames):
    with pytest.raises(CollectError, match=r"holds no joined predictions: train the rolls"):
        generate_joined_records(task_of("2019-01-01"), recorder, [SIGNAL])


def test_a_record_that_needs_a_model_is_refused_by_name(recorder, frames):
    record = {"class": Told, "kwargs": {"since": "<MODEL>"}}
    with pytest.raises(TaskError, match=r"record\.0\.kwargs\.since: <MODEL> stands for nothing"):
        generate_joined_records(task_of("2019-01-01"), recorder, [record], pred=frames[0])


def test_a_record_that_keeps_nothing_is_named_in_the_log(recorder, frames, caplog):
    record = {"class": Silent, "kwargs": {"since": 1}}
    with caplog.at_level(logging.WARNING):
        generate_joined_records(task_of("2019-01-01"), recorder, [record], pred=frames[0])
    assert "record.0: Silent has kept nothing" in caplog.text


# dates


def portfolio(start, end) -> dict:
    dates = {"start_time": start, "end_time": end}
    return {"class": Told, "kwargs": {"config": {"backtest": dates}}}


@pytest.mark.parametrize(
    ("start", "end", "clipped", "said"),
    [
        # predictions from 2019-01-08 to 2019-01-21
        ("2019-01-08", "2019-01-22", None, ""),  # the last scores are traded a session later
        ("2019-01-09", "2019-01-18", None, "leaves out the predictions until 2019-01-21"),
        ("2019-01-07", "2019-01-22", (None, "2019-01-22"), "are cut to them"),
        ("2019-01-08", "2019-01-23", ("2019-01-08", None), "2019-01-08 to 2019-01-21"),
        ("2018-01-01", "2020-12-31", (None, None), "2018-01-01 to 2020-12-31"),
        (None, "2019-01-19", None, "leaves out"),  # a Saturday
        (None, None, None, ""),
    ],
)
def test_dates_are_cut_to_the_predictions(start, end, clipped, said, frames, caplog):
    record = portfolio(start, end)
    with caplog.at_level(logging.WARNING):
        result = clip_fixed_dates(record, frames[0], CALENDAR, where="record.2")
    if clipped is None:
        assert result == record
    else:
        inner = result["kwargs"]["config"]["backtest"]
        dates = [value and f"{value:%Y-%m-%d}" for value in inner.values()]
        assert dates == list(clipped)
        assert read_fixed_dates(record).start is not None  # it stays as it was
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


def test_dates_may_stay_with_a_warning(recorder, frames, caplog):
    record = portfolio("2018-01-01", "2019-01-21")
    record["kwargs"]["since"] = 1
    with caplog.at_level(logging.WARNING), pytest.raises(TaskError, match="config"):
        generate_joined_records(
            task_of("2019-01-01"), recorder, [record], pred=frames[0], clip_dates=False
        )
    assert "sessions without predictions count in its figures" in caplog.text
