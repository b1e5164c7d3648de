"""The sessions that exchanges publish, and how days with prices fit them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from wf_dagster.errors import CalendarError

# Days that may differ: data that a vendor has lost, holidays that were announced late.
_MISFIT_SHARE = 0.01
_FEW_MISFITS = 3
_PUBLISHED = (pd.Timestamp("2024-01-01"), pd.Timestamp("2024-12-31"))
_FOR_EVER = (pd.Timestamp("1900-01-01"), pd.Timestamp("2200-12-31"))


@dataclass(frozen=True)
class ExchangeFit:
    """How the days on which prices have rows fit the sessions of an exchange.

    Attributes:
        exchange: Code of the exchange.
        days: Number of days with prices that were compared: as far as sessions are published.
        extra: Of these the days on which the exchange has no session.
        lacking: Its sessions between the first and the last day that have no prices.
    """

    exchange: str
    days: int
    extra: pd.DatetimeIndex
    lacking: pd.DatetimeIndex

    @property
    def misfits(self) -> int:
        """Days that only one of the two has."""
        return len(self.extra) + len(self.lacking)

    @property
    def is_close(self) -> bool:
        """Whether they differ on no more days than lost data and late holidays explain."""
        return self.misfits <= max(_FEW_MISFITS, _MISFIT_SHARE * self.days)

    def describe(self) -> str:
        """Counts and the first days; empty when all fits."""
        parts = []
        if len(self.extra):
            parts.append(
                f"{self.exchange} has no session on {len(self.extra)} of {self.days} days with "
                f"prices, {_list_days(self.extra)}"
            )
        if len(self.lacking):
            parts.append(
                f"the prices have none on {len(self.lacking)} sessions of {self.exchange}, "
                f"{_list_days(self.lacking)}"
            )
        return "; ".join(parts)

    def between(self, start: Any, end: Any) -> ExchangeFit:
        """The misfits from one date to another, both included."""
        extra, lacking = (
            days[(days >= start) & (days <= end)] for days in (self.extra, self.lacking)
        )
        return ExchangeFit(self.exchange, self.days, extra, lacking)


def compare_with_exchange(name: str, days: pd.DatetimeIndex) -> ExchangeFit:
    """How days with prices fit an exchange, as far as it publishes its sessions.

    Args:
        name: ISO 10383 code such as ``"XNYS"``.
        days: Sorted; times of day do not count.

    Raises:
        CalendarError: The exchange is unknown.
    """
    low, high = published_range(name)
    days = pd.DatetimeIndex(days.normalize().unique())
    days = days[(days >= low) & (days <= high)]
    sessions = exchange_sessions(name, days[0], days[-1]) if len(days) else days
    return ExchangeFit(name, len(days), days.difference(sessions), sessions.difference(days))


def exchange_sessions(name: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """The sessions from one day to another, as far as the exchange publishes them.

    Args:
        name: ISO 10383 code such as ``"XNYS"``.
        first: First day.
        last: Last day; may be in the future.

    Raises:
        CalendarError: The exchange is unknown.
    """
    low, high = published_range(name)
    first, last = max(first, low), min(last, high)
    if last < first:
        return pd.DatetimeIndex([], name="datetime")
    # the table of whole years serves every day of theirs: making one takes a while
    start = max(low, first - pd.offsets.YearBegin(0 if first.is_year_start else 1))
    sessions = _read_sessions(name, start, min(high, last + pd.offsets.YearEnd(0)))
    return sessions[(sessions >= first) & (sessions <= last)]


@lru_cache(maxsize=128)
def published_range(name: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The first and the last day of which an exchange publishes whether it is a session.

    Raises:
        CalendarError: The exchange is unknown.
    """
    import exchange_calendars  # slow to import, as below

    try:  # of any year that all publish: the table of one costs less than the usual twenty
        calendar = exchange_calendars.get_calendar(name, start=_PUBLISHED[0], end=_PUBLISHED[1])
    except exchange_calendars.errors.InvalidCalendarName:
        raise CalendarError(
            f"exchange {name!r} is unknown: use an ISO 10383 code such as 'XNYS' or 'XSHG', or "
            "calendar='prices' for the sessions of the prices"
        ) from None
    low, high = calendar.bound_min(), calendar.bound_max()
    return _FOR_EVER[0] if low is None else low, _FOR_EVER[1] if high is None else high


@lru_cache(maxsize=16)
def exchange_closes(name: str, year: int) -> pd.Series:
    """When each session of an exchange closes (UTC), from the year before on.

    Raises:
        CalendarError: The exchange is unknown.
    """
    import exchange_calendars

    low, high = published_range(name)
    calendar = exchange_calendars.get_calendar(
        name,
        start=max(low, pd.Timestamp(year - 1, 1, 1)),
        end=min(high, pd.Timestamp(year, 12, 31)),
    )
    closes: pd.Series = calendar.closes
    return closes.set_axis(pd.DatetimeIndex(closes.index).tz_localize(None))


@lru_cache(maxsize=128)
def _read_sessions(name: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(name, start=first, end=last)
    return pd.DatetimeIndex(calendar.sessions.tz_localize(None).to_numpy(), name="datetime")


def _list_days(days: pd.DatetimeIndex) -> str:
    """The first days and how many more."""
    first_days = ", ".join(f"{day:%Y-%m-%d}" for day in days[:3])
    return f"the first {first_days}" if len(days) > 3 else first_days
