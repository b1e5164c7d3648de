"""Freshness in sessions, over a whole year of the exchange."""

from __future__ import annotations

import pandas as pd
import pytest

from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError
from wf_dagster.market import Market
from wf_dagster.online.expected_sessions import due_at, due_now, exchange_closes, fresh

GRACE = pd.Timedelta(hours=6)
CLOSES = exchange_closes("XNYS", 2024)
YEAR = CLOSES[CLOSES.index.year == 2024]


def _price_file(folder, days):
    file = folder / "prices.parquet"
    frame = pd.DataFrame({"datetime": days, "instrument": "S0", "close": 1.0})
    frame.to_parquet(file)
    return file


def _at(text, zone="America/New_York"):
    return pd.Timestamp(text, tz=zone)


def test_nobody_is_alarmed_in_a_year_in_which_each_session_is_done_in_time():
    """The routine runs 3 hours after each close; asked every 3 hours of the year."""
    done = CLOSES + pd.Timedelta(hours=3)
    asked = pd.date_range("2024-01-01", "2024-12-31 21:00", freq="3h", tz="UTC")
    alarms = []
    for now in asked:
        newest = done.index[(done <= now).to_numpy()][-1]
        found = fresh(newest, due_at(now, CLOSES, GRACE), max_missed=0)
        alarms += [] if found.passed else [now]
    assert len(YEAR) == 252
    assert alarms == []


@pytest.mark.parametrize(
    ("last", "quiet_until"),
    [
        ("2024-11-27", "2024-11-29 18:59"),  # Thanksgiving; the day after closes at 13:00
        ("2024-12-24", "2024-12-26 21:59"),  # Christmas; the eve is a half day
        ("2024-06-18", "2024-06-20 21:59"),  # Juneteenth, a Wednesday
        ("2024-03-28", "2024-04-01 21:59"),  # Good Friday and a weekend
        ("2024-08-30", "2024-09-03 21:59"),  # Labor Day
    ],
)
def test_a_holiday_is_quiet_until_the_next_session_is_overdue(last, quiet_until):
    newest, end = pd.Timestamp(last), _at(quiet_until).tz_convert("UTC")
    for now in pd.date_range(CLOSES[newest], end, freq="1h"):
        assert fresh(newest, due_at(now, CLOSES, GRACE), max_missed=0).passed, now
    overdue = fresh(newest, due_at(end + pd.Timedelta(minutes=1), CLOSES, GRACE), max_missed=0)
    assert not overdue.passed
    assert overdue.numbers["missed_sessions"] == 1


def test_two_missed_sessions_in_the_middle_of_a_week_are_an_alarm():
    newest = pd.Timestamp("2024-05-13")  # Monday
    tuesday = fresh(newest, due_at(_at("2024-05-14 23:00"), CLOSES, GRACE))
    wednesday = fresh(newest, due_at(_at("2024-05-15 23:00"), CLOSES, GRACE), what="signals")
    assert tuesday.passed
    assert not wednesday.passed
    assert "signals reach 2024-05-13, 2 sessions behind 2024-05-15" in wednesday.sentence


def test_scores_ahead_of_what_is_due_are_fresh():
    assert fresh(pd.Timestamp("2024-05-15"), due_at(_at("2024-05-15 18:00"), CLOSES, GRACE)).passed


def test_the_clock_decides_where_prices_go_on(tmp_path):
    file = _price_file(tmp_path, pd.bdate_range("2024-01-02", "2024-05-10"))
    market = Market(file, "XNYS")  # prices of one's own: there will be more
    due = due_now(market, GRACE, _at("2024-05-15 23:00"))
    assert due.session == pd.Timestamp("2024-05-15")
    assert fresh(market.last_session, due).numbers["missed_sessions"] == 3
    weekend = due_now(market, GRACE, _at("2024-05-12 23:00"))
    assert fresh(market.last_session, weekend).numbers["missed_sessions"] == 0


def test_sessions_of_no_exchange_are_due_at_the_end_of_their_day(tmp_path):
    days = pd.DatetimeIndex(["2024-05-08", "2024-05-10", "2024-05-13"])
    file = _price_file(tmp_path, days)
    grace = pd.Timedelta(hours=6)
    for market in (Market(file, "prices"), Market(file, TradingCalendar(days))):
        assert due_now(market, grace, _at("2024-05-11 05:59", "UTC")).session.day == 8
        assert due_now(market, grace, _at("2024-05-11 06:00", "UTC")).session.day == 10
        assert due_now(market, grace, _at("2030-01-01", "UTC")).session.day == 13
        with pytest.raises(CalendarError, match="no session has closed"):
            due_now(market, grace, _at("2024-05-08", "UTC"))


def test_under_a_replay_date_its_last_session_is_due():
    due = due_now(Market(as_of="2019-07-05"), GRACE)
    assert due.session == pd.Timestamp("2019-07-05")
    assert fresh(pd.Timestamp("2019-07-03"), due).numbers["missed_sessions"] == 1
    assert not fresh(pd.Timestamp("2019-07-02"), due).passed


def test_the_sample_has_an_end_and_is_not_stale_for_it():
    assert due_now(Market(), GRACE).session == Market().last_session


def test_an_unknown_exchange_is_one_message():
    with pytest.raises(CalendarError, match="'NOWHERE' is unknown"):
        exchange_closes("NOWHERE", 2024)
