"""The sessions that an online manager works through, and what is known at each."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pandas as pd

from wf_dagster.calendars import TradingCalendar, default_calendar, to_day
from wf_dagster.errors import OnlineError
from wf_dagster.settings import replayed

_log = logging.getLogger(__name__)
_PERIODS = {"week": "W-SUN", "month": "M"}


def session_at(date: Any, calendar: TradingCalendar) -> pd.Timestamp:
    """The last session with prices at or before a date."""
    last = calendar.last_session
    if date is None:
        return last
    day = to_day(date)
    if day > last:
        _log.warning("%s is after the last session with prices: %s", day.date(), last.date())
    return min(calendar.align(day, "end"), last)


def as_of(session: pd.Timestamp) -> AbstractContextManager[None]:
    """Hide the prices after a session, where there are any."""
    if session >= default_calendar().last_session:
        return nullcontext()
    return replayed(f"{session:%Y-%m-%d}")


def every(frequency: str, sessions: pd.DatetimeIndex) -> list[pd.Timestamp]:
    """All sessions, or the last one of each period.

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
        day
        for n, day in enumerate(sessions)
        if n + 1 == len(sessions) or periods[n] != periods[n + 1]
    ]
