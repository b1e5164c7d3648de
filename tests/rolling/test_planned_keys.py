"""Keys that are planned from days alone, held against those of the rolls themselves."""

from __future__ import annotations

import datetime as dt
import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import wf_dagster
from tests.support import task_of
from wf_dagster import Market, RollingGen, Rolls, TradingCalendar
from wf_dagster.errors import CalendarError
from wf_dagster.exchanges import exchange_sessions
from wf_dagster.known_sessions import known_sessions
from wf_dagster.prices import SamplePrices
from wf_dagster.prices.sample_sessions import LAST, sample_sessions
from wf_dagster.rolling.planned_keys import plan_keys
from wf_dagster.rolling.planned_rolls import plan_rolls

BARS = [pd.Timedelta(hours=10), pd.Timedelta(hours=11), pd.Timedelta(hours=14)]


def template_of(start, end=None):
    template = task_of(start)
    template["dataset"]["kwargs"]["segments"] = {
        "train": ("2017-01-03", "2018-12-28"),
        "test": (start, end),
    }
    return template


def bars_of(days):
    """Three bars a day, two on each fifth."""
    return [day + bar for n, day in enumerate(days) for bar in BARS[: 2 if n % 5 == 0 else 3]]


@settings(max_examples=120, deadline=None)
@given(
    exchange=st.sampled_from(["XNYS", "XSHG", "24/7"]),
    step=st.one_of(st.integers(1, 90), st.sampled_from(["week", "month", "quarter", "year"])),
    start=st.dates(dt.date(2019, 1, 1), dt.date(2020, 6, 30)),
    end=st.none() | st.dates(dt.date(2020, 7, 1), dt.date(2022, 1, 1)),
    last=st.dates(dt.date(2019, 3, 1), dt.date(2020, 12, 31)),
    until=st.dates(dt.date(2019, 3, 1), dt.date(2021, 3, 1)),
    are_bars=st.booleans(),
)
@example(
    "XSHG", "week", dt.date(2019, 9, 2), None, dt.date(2019, 12, 2), dt.date(2019, 12, 2), False
)
@example(
    "XNYS", "month", dt.date(2019, 3, 30), None, dt.date(2019, 5, 2), dt.date(2019, 5, 2), False
)
def test_planned_keys_are_those_of_the_rolls(exchange, step, start, end, last, until, are_bars):
    days = exchange_sessions(exchange, pd.Timestamp("2017-01-01"), pd.Timestamp("2020-12-31"))
    sessions = bars_of(days) if are_bars else days
    calendar = TradingCalendar(sessions, last)
    until = max(last, until)
    template = template_of(f"{start}", None if end is None else f"{end}")
    rolls = Rolls.from_template(template, RollingGen(step, calendar=calendar), until=until)
    counts = [2 if n % 5 == 0 else 3 for n in range(len(days))] if are_bars else None
    planned = plan_keys(
        template["dataset"]["kwargs"]["segments"]["test"],
        step,
        list(days.date),
        counts,
        last=calendar.last_session.date(),
        until=until,
    )
    assert planned == rolls.keys


def test_the_sessions_of_the_sample_are_known_without_it():
    priced = SamplePrices().sessions()
    later = exchange_sessions("XNYS", pd.Timestamp(LAST), pd.Timestamp("2023-12-28"))
    assert sample_sessions() == list(priced.date) + list(later.date)[1:]


def prices(path, days):
    names = [f"S{n}" for n in range(3)]
    index = pd.MultiIndex.from_product([days, names], names=["datetime", "instrument"])
    pd.DataFrame({"close": np.linspace(10.0, 20.0, len(index))}, index).to_parquet(path)
    return str(path)


@pytest.fixture
def file(home, tmp_path):
    days = exchange_sessions("XSHG", pd.Timestamp("2017-01-01"), pd.Timestamp("2020-12-31"))
    return prices(tmp_path / "prices.parquet", days)


def test_a_guess_is_named_with_its_remedy_and_ends_when_prices_are_read(file, caplog):
    market = Market(file)
    guess = plan_rolls(template_of("2019-01-02"), RollingGen(20), market, name="demo")
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "strategy 'demo'" in warning
    assert "rolls of 20 sessions are planned on weekdays" in warning
    assert "calendar='XSHG'" in warning
    assert "`wf-dagster status`" in warning
    assert "reload the code location" in warning
    rolls = Rolls.from_template(template_of("2019-01-02"), RollingGen(20), market.calendar)
    assert guess.keys[0] == rolls.keys[0] == "2019-01-02"
    assert guess.keys[5] != rolls.keys[5]  # the new year of Shanghai lies between
    caplog.clear()
    assert plan_rolls(template_of("2019-01-02"), RollingGen(20), market).keys == rolls.keys
    assert not caplog.records


def test_a_named_exchange_is_no_guess(file, home, caplog):
    market = Market(file, "XSHG")
    planned = plan_rolls(template_of("2019-01-02"), RollingGen(20), market).keys
    rolls = Rolls.from_template(template_of("2019-01-02"), RollingGen(20), market.calendar)
    assert planned[: len(rolls)] == rolls.keys
    assert not caplog.records
    assert [path.name for path in (home / "cache").glob("published-*")] == ["published-XSHG.json"]
    unknown = plan_rolls(template_of("2019-01-02"), RollingGen("month"), Market(file, "XNOPE"))
    assert unknown.keys[0] == "2019-01-01"
    assert "exchange 'XNOPE' is unknown" in caplog.text


def test_prices_that_have_ended_end_the_rolls_until_their_file_is_another_one(file):
    market = Market(file)
    template, monthly = template_of("2019-01-02"), RollingGen("month")
    this_month = f"{pd.Timestamp.now('UTC'):%Y-%m}-01"
    before = plan_rolls(template, monthly, market)
    assert before.are_open_ended
    assert this_month in before.keys
    assert market.calendar.last_session == pd.Timestamp("2020-12-31")
    after = plan_rolls(template, monthly, market)
    assert (after.keys[-1], len(after.keys), after.are_open_ended) == ("2020-12-01", 24, False)
    days = exchange_sessions("XSHG", pd.Timestamp("2017-01-01"), pd.Timestamp("2021-02-10"))
    prices(file, days)
    assert this_month in plan_rolls(template, monthly, market).keys  # it may hold any day by now
    assert market.calendar.last_session == pd.Timestamp("2021-02-10")
    assert plan_rolls(template, monthly, market).keys[-1] == "2021-02-01"


def test_what_a_replay_date_hides_is_recorded_and_ends_the_rolls(file):
    market = Market(file, as_of="2019-06-14")
    assert market.calendar.last_session == pd.Timestamp("2019-06-14")
    planned = plan_rolls(template_of("2019-01-02"), RollingGen("month"), market)
    assert planned.keys[-1] == "2019-06-01"
    assert known_sessions(Market(file), dt.date(2019, 1, 2)).last == dt.date(2020, 12, 31)


def test_a_broken_record_is_left_aside(file, home, caplog):
    market = Market(file)
    assert market.calendar.has_bars is False
    record = market.recorded_sessions.file
    assert record.stat().st_size < 1000
    record.write_text("{")
    assert known_sessions(market, dt.date(2019, 1, 2)).are_guessed
    assert "is no record of sessions" in caplog.text


def test_bars_of_days_are_recorded_with_their_number(home, tmp_path):
    days = exchange_sessions("XNYS", pd.Timestamp("2023-11-01"), pd.Timestamp("2023-11-30"))
    market = Market(prices(tmp_path / "bars.parquet", bars_of(days)), "prices")
    assert len(market.calendar) == 3 * len(days) - 5
    known = known_sessions(market, dt.date(2023, 11, 1))
    assert list(known.days) == list(days.date)
    assert known.bars == [2 if n % 5 == 0 else 3 for n in range(len(days))]


def test_a_template_that_starts_after_the_sample_has_no_roll(home):
    with pytest.raises(CalendarError, match=r"'demo' has no roll: .* earlier start"):
        plan_rolls(template_of("2023-06-01"), RollingGen("month"), Market(), name="demo")


def test_a_template_that_starts_after_other_prices_waits_for_them(file):
    market = Market(file)
    assert market.calendar.last_session < pd.Timestamp("2024-01-01")
    assert plan_rolls(template_of("2024-01-02"), RollingGen("month"), market).keys == ["2024-01-01"]


def test_the_replay_clock_leaves_the_rolls_that_it_hides(home, tmp_path):
    clock = tmp_path / "clock"
    clock.write_text("2022-11-25")
    wf_dagster.init(home=home, replay_clock=clock)
    planned = plan_rolls(template_of("2022-01-03"), RollingGen("month"), Market())
    assert planned.keys[-1] == "2022-12-01"
    wf_dagster.init(home=home, as_of="2022-11-25")
    fixed = plan_rolls(template_of("2022-01-03"), RollingGen("month"), Market())
    assert fixed.keys[-1] == "2022-11-01"
