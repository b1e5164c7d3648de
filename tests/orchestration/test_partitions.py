"""Rolls as partitions, and keys back as tasks."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import task_of
from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError, RollKeyError
from wf_dagster.orchestration import rolling_partitions
from wf_dagster.rolling import RollingGen

CALENDAR = TradingCalendar.from_exchange("XNYS", "2015-01-02", "2021-12-31")


def _partitions(step, start="2019-01-01", calendar=CALENDAR):
    template = task_of(start)
    template["dataset"]["kwargs"]["segments"]["test"] = (start, None)
    return rolling_partitions(template, RollingGen(step, calendar=calendar), calendar, name="s")


@pytest.mark.parametrize("step", [1, 7, 20, 60, "week", "month", "quarter", "year"])
def test_keys_are_exactly_the_rolls(step):
    partitions = _partitions(step)
    keys = partitions.definition.get_partition_keys()
    assert keys == list(partitions.rolls.keys)
    for key in keys:
        assert partitions.key(partitions.task(key)) == key


@settings(max_examples=20, deadline=None)
@given(
    step=st.one_of(st.integers(1, 80), st.sampled_from(["week", "month", "quarter"])),
    start=st.dates(pd.Timestamp("2017-06-01").date(), pd.Timestamp("2021-06-01").date()),
)
def test_test_segments_tile_the_calendar_whatever_the_step(step, start):
    partitions = _partitions(step, start.isoformat())
    sessions: list[pd.Timestamp] = []
    for key in partitions.definition.get_partition_keys():
        first, last = partitions.roll(key).test
        assert first is not None
        assert pd.Timestamp(key) <= first
        assert last is None or first <= last
        sessions.extend(CALENDAR.between(first, last))
    assert len(sessions) == len(set(sessions))
    assert sessions == sorted(sessions)
    assert set(CALENDAR.between(start, CALENDAR.last_session)) <= set(sessions)


def test_a_session_step_never_makes_a_key_of_a_day_that_is_no_session():
    keys = pd.DatetimeIndex(_partitions(1).definition.get_partition_keys())
    assert keys.isin(CALENDAR.sessions).all()
    assert "2020-07-03" not in keys  # a holiday
    assert "2020-07-02" in keys


@pytest.mark.parametrize("step", [20, "month"])
def test_the_current_roll_is_there_before_its_test_window_has_ended(step):
    running = TradingCalendar(CALENDAR.sessions, last_session="2020-06-03")
    partitions = _partitions(step, calendar=running)
    last = partitions.definition.get_partition_keys()[-1]
    start, end = partitions.roll(last).test
    assert start <= running.last_session < end


def test_a_key_that_is_no_roll_is_refused_with_the_nearest_named():
    with pytest.raises(RollKeyError, match=r"2020-03-15.*2020-03-01"):
        _partitions("month").roll("2020-03-15")


def test_a_template_without_a_roll_says_so():
    with pytest.raises(CalendarError):
        _partitions("month", start="2022-02-01")


def test_twenty_years_of_exclusions_survive_the_trip_to_the_web_server():
    import dagster as dg
    from dagster._core.remote_representation.external_data import TimeWindowPartitionsSnap

    calendar = TradingCalendar.from_exchange("XNYS", "2000-01-03", "2022-12-30")
    definition = _partitions(20, "2003-01-02", calendar).definition
    assert isinstance(definition, dg.TimeWindowPartitionsDefinition)
    back = TimeWindowPartitionsSnap.from_def(definition).get_partitions_definition()
    assert back.get_partition_keys() == definition.get_partition_keys()
