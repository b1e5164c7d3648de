"""The sessions that an online manager works through, on one exchange or several."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import pandas as pd

from wf_dagster.calendars import TradingCalendar, to_day
from wf_dagster.errors import OnlineError
from wf_dagster.market import Market
from wf_dagster.moments import format_moment
from wf_dagster.qlib_bridge.options import freq_of

_log = logging.getLogger(__name__)
_PERIODS = {"week": "W-SUN", "month": "M"}


def session_calendar(market: Market) -> TradingCalendar:
    """The calendar of a market, with data up to the last session that has prices.

    A calendar of the user's own may run ahead of them.
    """
    if market.calendar_name != "own":
        return market.calendar
    default = market.with_calendar(None)
    is_qlibs = freq_of(default.calendar_name) is not None
    return market.calendar.until(default.last_session if is_qlibs else market.prices.last_session())


def daily_calendar(market: Market) -> TradingCalendar:
    """The calendar of a market whose models serve, with data up to the last session with prices.

    Raises:
        OnlineError: Its sessions are bars within days.
    """
    calendar = session_calendar(market)
    if calendar.has_bars:
        raise OnlineError(
            f"{market!r} has bars within days as sessions, the last at "
            f"{format_moment(calendar.last_session)}, and online models serve day by day: backfill "
            "and collect the rolls of bars, or serve a strategy on daily prices"
        )
    return calendar


def common_calendar(markets: Iterable[Market]) -> TradingCalendar:
    """The calendar of several markets: a session of each of them is one.

    Of one market, or of several on one calendar, it is theirs, future sessions included; else it
    holds the sessions that have prices in one of them.

    Raises:
        OnlineError: The sessions of one of them are bars within days.
    """
    calendars = [daily_calendar(market) for market in dict.fromkeys(markets)]
    first, *others = calendars
    if all(
        calendar.sessions.equals(first.sessions) and calendar.last_session == first.last_session
        for calendar in others
    ):
        return first
    sessions = first.sessions[:0]
    for calendar in calendars:
        sessions = sessions.union(sessions_with_prices(calendar))
    return TradingCalendar(sessions)


def sessions_with_prices(calendar: TradingCalendar) -> pd.DatetimeIndex:
    """The sessions up to the last one that has prices."""
    return calendar.sessions[calendar.sessions <= calendar.last_session]


def session_at(date: Any, calendar: TradingCalendar) -> pd.Timestamp:
    """The last session with prices at or before a date.

    Raises:
        CalendarError: There is none, or it is no date.
    """
    last = calendar.last_session
    if date is None:
        return last
    day = to_day(date)
    if day > last:
        _log.warning("%s is after the last session with prices: %s", day.date(), last.date())
    return min(calendar.align(day, "end"), last)


def last_of_each(frequency: str, sessions: pd.DatetimeIndex) -> list[pd.Timestamp]:
    """All sessions, or the last one of each period.

    Args:
        frequency: ``"day"``, ``"week"`` or ``"month"``.
        sessions: In order.

    Raises:
        OnlineError: The frequency is unknown.
    """
    if frequency == "day":
        return list(sessions)
    if frequency not in _PERIODS:
        raise OnlineError(
            f"frequency {frequency!r} is unknown: use 'day', {', '.join(map(repr, _PERIODS))}"
        )
    periods = sessions.to_period(_PERIODS[frequency])
    return [
        session
        for n, session in enumerate(sessions)
        if n + 1 == len(sessions) or periods[n] != periods[n + 1]
    ]
