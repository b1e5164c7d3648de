"""Which keys Dagster shows when, held against the dates of the keys themselves."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.partitions.context import (
    PartitionLoadingContext,
    partition_loading_context,
)
from dagster._core.definitions.temporal_context import TemporalContext
from dagster._core.remote_representation.external_data import TimeWindowPartitionsSnap
from dagster._serdes import deserialize_value, serialize_value
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support import task_of
from wf_dagster.calendars import TradingCalendar
from wf_dagster.orchestration.partitions.windows import windows_of
from wf_dagster.rolling import RollingGen, Rolls

STEPS = [1, 3, 20, 60, "week", "month", "quarter", "year"]


@lru_cache(maxsize=64)
def _made(exchange, step, today, start="2019-02-01"):
    """The keys of some years, and their definition as the web server makes it anew."""
    calendar = TradingCalendar.from_exchange(exchange, "2016-01-04", "2021-12-31")
    template = task_of(start)
    template["dataset"]["kwargs"]["segments"]["test"] = (start, "2020-12-31")
    rolls = Rolls.from_template(template, RollingGen(step, calendar=calendar))
    definition = windows_of(rolls.keys, step, dt.date.fromisoformat(today))
    sent = serialize_value(TimeWindowPartitionsSnap.from_def(definition))
    return rolls.keys, deserialize_value(sent, TimeWindowPartitionsSnap).get_partitions_definition()


def _context(now):
    time = TemporalContext(effective_dt=now, last_event_id=None)
    return PartitionLoadingContext(temporal_context=time, dynamic_partitions_store=None)


def _paged(definition, now, ascending):
    pages, cursor, more = [], None, True
    while more:
        page = definition.get_paginated_partition_keys(_context(now), 50, ascending, cursor)
        assert page.results or not page.has_more
        assert not set(pages) & set(page.results)  # or it would never come to an end
        pages += page.results
        cursor, more = page.cursor, page.has_more
    return pages if ascending else pages[::-1]


def _utc(day, seconds=0):
    return (pd.Timestamp(day, tz="UTC") + pd.Timedelta(seconds=seconds)).to_pydatetime()


@pytest.mark.parametrize("exchange", ["XNYS", "XSHG"])
@pytest.mark.parametrize("step", STEPS)
def test_a_key_is_there_from_midnight_of_its_day_on_and_no_other_ever_is(exchange, step):
    keys, definition = _made(exchange, step, "2019-03-01")
    every = pd.date_range(keys[0], "2020-03-31")  # a leap year; each weekday and holiday
    around = {pd.Timestamp(key) + pd.Timedelta(days=n) for key in keys for n in (-1, 0, 1)}
    for day in (day for day in every if day in around or day.day in (1, 15)):
        for now in (_utc(day), _utc(day, seconds=86_399)):
            expected = [key for key in keys if key <= day.strftime("%Y-%m-%d")]
            with partition_loading_context(now):
                assert definition.get_last_partition_key() == expected[-1], now
                if day.day == 1:
                    assert definition.get_partition_keys() == expected


@settings(max_examples=50, deadline=None)
@given(
    exchange=st.sampled_from(["XNYS", "XSHG", "XTAE"]),
    step=st.one_of(st.integers(1, 60), st.sampled_from(["week", "month", "quarter", "year"])),
    now=st.datetimes(dt.datetime(2018, 12, 1), dt.datetime(2022, 3, 1)),
    start=st.sampled_from(["2019-02-01", "2019-02-06", "2019-11-28"]),
)
@example("XNYS", "week", dt.datetime(2021, 1, 9, 22), "2019-02-01")  # its keys are over
def test_all_ways_to_list_the_keys_agree_whatever_the_time(exchange, step, now, start):
    now = now.replace(tzinfo=dt.timezone.utc)
    today = now.date().isoformat()
    keys, definition = _made(exchange, step, f"{today[:8]}01", start)  # loaded for a while
    expected = [key for key in keys if key <= now.date().isoformat()]
    assert definition.get_partition_keys(current_time=now) == expected
    assert _paged(definition, now, ascending=True) == expected
    assert _paged(definition, now, ascending=False) == expected
    with partition_loading_context(now):
        assert definition.get_num_partitions() == len(expected)
        assert definition.get_partition_keys_between_indexes(0, 10_000) == expected
        assert definition.get_first_partition_key() == (expected[0] if expected else None)
        for place, key in list(enumerate(keys[: len(expected) + 3]))[-6:]:
            assert definition.has_partition_key(key) == (place < len(expected))


@pytest.mark.parametrize("step", [20, "week", "month"])
def test_nothing_is_added_to_what_ended_long_ago(step):
    keys, definition = _made("XNYS", step, "2026-01-01")
    now = dt.datetime(2027, 12, 31, tzinfo=dt.timezone.utc)
    assert _paged(definition, now, ascending=False) == keys
    with partition_loading_context(now):
        assert definition.get_partition_keys_between_indexes(0, 10_000) == keys


def test_periods_without_a_gap_are_plain_windows():
    definition = _made("XNYS", "month", "2019-03-01")[1]
    (window,) = [definition.time_window_for_partition_key("2019-03-01")]
    assert (window.start, window.end) == (_utc("2019-03-01"), _utc("2019-04-01"))


def test_an_offset_with_exclusions_still_shows_what_has_not_begun():
    """The reason for short windows: when this fails, Dagster can do without them."""
    definition = dg.TimeWindowPartitionsDefinition(
        start="2019-02-01",
        fmt="%Y-%m-%d",
        cron_schedule="0 0 * * *",
        end_offset=1,
        exclusions=[dt.datetime(2019, 2, day) for day in range(2, 9)],
    )
    keys = definition.get_partition_keys(current_time=dt.datetime(2019, 2, 4, 12))
    assert keys == ["2019-02-01", "2019-02-09"]
