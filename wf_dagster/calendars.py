"""The trading calendar: sessions, and arithmetic on dates and segments in sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from wf_dagster.dates import EXPANDING, SLIDING, Segment, split_segment
from wf_dagster.errors import CalendarError, PastCalendarError
from wf_dagster.exchanges import exchange_sessions, published_range
from wf_dagster.imports.module_history import find_moved_name
from wf_dagster.moments import (
    Moments,
    Side,
    check_sessions,
    earliest_day,
    format_moment,
    to_day,
)

__all__ = [
    "FIVE_DAY_WEEKS", "Segment", "SessionSource", "Side", "TradingCalendar", "earliest_day",
    "split_segment", "to_day",
]  # fmt: skip

Positions = npt.NDArray[np.intp]
FIVE_DAY_WEEKS = 252  # days a year that have sessions


class SessionSource(Protocol):
    """Something that has rows on sessions, such as a price source."""

    def sessions(self) -> pd.DatetimeIndex:
        """All sessions that have rows."""
        ...

    def last_session(self) -> pd.Timestamp:
        """The last session that has rows."""
        ...


class TradingCalendar:
    """The sessions of a market, which may run into the future: days, or the bars of days.

    Among bars a date without a time of day means, as a start, the first bar of that day and, as an
    end, its last one; a time of day is exact (see :mod:`wf_dagster.moments`). Whatever counts
    sessions counts bars.

    Args:
        sessions: Trading days, or several bars of each, stamped with their time of day; sorted,
            unique, without time zone.
        last_session: The last session that has data; default the last of all. A date that is
            no session counts as the session before it.

    Raises:
        CalendarError: The sessions are empty, unsorted, repeated, not dates, carry a time zone, or
            carry a time of day although no day has two of them.

    Example:
        >>> calendar = TradingCalendar(["2024-01-02", "2024-01-03", "2024-01-05"])
        >>> calendar.align("2024-01-04"), calendar.align("2024-01-04", "end")
        (Timestamp('2024-01-05 00:00:00'), Timestamp('2024-01-03 00:00:00'))
        >>> calendar.interval("2024-01-05", "2024-01-02")
        2
        >>> bars = TradingCalendar(["2024-01-02 10:00", "2024-01-02 10:30", "2024-01-03 10:00"])
        >>> bars.align("2024-01-02"), bars.align("2024-01-02", "end")
        (Timestamp('2024-01-02 10:00:00'), Timestamp('2024-01-02 10:30:00'))
    """

    SHIFT_SD = SLIDING
    SHIFT_EX = EXPANDING

    def __init__(self, sessions: Iterable[Any], last_session: Any = None) -> None:
        self._sessions = check_sessions(sessions)
        self._days = Moments.of(self._sessions).values  # days or moments; pickles hold them
        last = self._sessions[-1] if last_session is None else last_session
        position = self.index(last, "end")
        if position < 0:
            raise CalendarError(
                f"last_session {format_moment(last)} is before the calendar, which {self._range()}"
            )
        self._last = self._sessions[position]

    @classmethod
    def from_exchange(
        cls, name: str, start: Any, end: Any, last_session: Any = None
    ) -> TradingCalendar:
        """The sessions of an exchange, holidays left out (package ``exchange_calendars``).

        Args:
            name: ISO 10383 code such as ``"XNYS"``.
            start: First date.
            end: Last date; may be in the future. The sessions end where the exchange publishes
                no more of them.
            last_session: The last session that has data.

        Raises:
            CalendarError: The exchange is unknown, or has no session from start to end.
        """
        first, last = to_day(start), to_day(end)
        if last < first:
            raise CalendarError(
                f"exchange {name!r} has no sessions from {first:%Y-%m-%d} to {last:%Y-%m-%d}: "
                "that ends before it starts"
            )
        sessions = exchange_sessions(name, first, last)
        if not len(sessions):
            low, high = published_range(name)
            raise CalendarError(
                f"exchange {name!r} has no session from {first:%Y-%m-%d} to {last:%Y-%m-%d}: it "
                f"publishes those from {low:%Y-%m-%d} to {high:%Y-%m-%d}"
            )
        return cls(sessions, last_session)

    @classmethod
    def from_prices(cls, source: SessionSource) -> TradingCalendar:
        """The sessions on which a price source has rows."""
        return cls(source.sessions(), source.last_session())

    def until(self, date: Any) -> TradingCalendar:
        """The same sessions, with data up to a date; ``None`` changes nothing.

        Raises:
            CalendarError: The date is before the calendar.
        """
        if date is None or self.index(date, "end") >= self.index(self._last, "end"):
            return self
        return type(self)(self._sessions, date)

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """All sessions, future ones included."""
        return self._sessions

    @property
    def days(self) -> pd.DatetimeIndex:
        """The days that have sessions: the sessions themselves, unless they are bars."""
        if not self.has_bars:
            return self._sessions
        return self._sessions[self._first_bars()].normalize()

    @property
    def last_session(self) -> pd.Timestamp:
        """The last session that has data."""
        return self._last

    @property
    def has_bars(self) -> bool:
        """Whether sessions are bars within days."""
        return self._moments.are_bars

    @property
    def _moments(self) -> Moments:
        return Moments(self._days)

    @property
    def bars_per_day(self) -> int:
        """The sessions of a whole day: the most common number; 1 where sessions are days."""
        if not self.has_bars:
            return 1
        counts = np.bincount(np.diff(self._first_bars(), append=len(self)))
        return int(len(counts) - 1 - np.argmax(counts[::-1]))  # of two as common the larger

    def _first_bars(self) -> Positions:
        """Positions of the first session of each day."""
        days = self._days.astype("datetime64[D]")
        return np.flatnonzero(np.r_[True, days[1:] != days[:-1]])

    def first_of_day(self, position: int) -> int:
        """Position of the first session, at or after a position, that is the first of its day.

        ``len(calendar)`` when there is none. Where sessions are days it is the position itself.
        """
        if not self.has_bars:
            return min(position, len(self))
        if position >= len(self):
            return len(self)
        day = self._days[position].astype("datetime64[D]")
        if position == 0 or self._days[position - 1].astype("datetime64[D]") < day:
            return position
        return int(np.searchsorted(self._days, day + 1))

    @property
    def sessions_per_year(self) -> int:
        """The sessions of a year by convention, which annual figures count with.

        The convention that is nearest, as a ratio, to the days counted here: 252 for markets
        with five-day weeks, 365 for those that trade on all seven days, 52 for weekly and 12 for
        monthly sessions. All exchanges with weekends have one convention, whatever their holidays,
        so that their figures can be compared. Where sessions are bars it is that, times
        :attr:`bars_per_day`: 252 * 13 for half hours of New York.
        """
        dates = self.days
        days = (dates[-1] - dates[0]).days
        if days == 0:
            return FIVE_DAY_WEEKS * self.bars_per_day
        measured = 365.25 * (len(dates) - 1) / days
        conventions = [FIVE_DAY_WEEKS, 52, 12]
        # a few sessions of one week stand as close as those of a market without weekends
        if dates.dayofweek.nunique() == 7:
            conventions.append(365)
        nearest = min(conventions, key=lambda convention: abs(np.log(convention / measured)))
        return nearest * self.bars_per_day

    def __len__(self) -> int:
        return len(self._sessions)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TradingCalendar):
            return NotImplemented
        return self._last == other._last and self._sessions.equals(other._sessions)

    def __hash__(self) -> int:
        return hash((len(self), self._sessions[0], self._last))

    def __repr__(self) -> str:
        return f"TradingCalendar({self._range()}, data up to {format_moment(self._last)})"

    def _range(self) -> str:
        first, last = self._sessions[0], self._sessions[-1]
        return f"runs from {format_moment(first)} to {format_moment(last)}"

    def moment(self, date: Any, side: Side = "start") -> pd.Timestamp:
        """The moment that a date stands for as the start, or as the end, of a range.

        Where sessions are days it is the day; among bars the end of a day is its last microsecond.

        Raises:
            CalendarError: It is no date; or it carries a time zone, and sessions are bars.
        """
        return pd.Timestamp(self._moments.locate(date, side)) if self.has_bars else to_day(date)

    def index(self, date: Any, side: Side = "start") -> int:
        """Position of the session at or after (``start``), at or before (``end``) a date.

        ``len(calendar)`` when no session is at or after it, -1 when none is at or before.
        """
        if side not in ("start", "end"):
            raise CalendarError(f"side {side!r} is unknown: use 'start' or 'end'")
        return self._moments.position(date, side) - (side == "end")

    def align(self, date: Any, side: Side = "start") -> pd.Timestamp:
        """The session at or after (``start``), at or before (``end``) a date.

        Raises:
            CalendarError: There is none.
        """
        position = self.index(date, side)
        if not 0 <= position < len(self):
            where = "at or after" if side == "start" else "at or before"
            raise CalendarError(
                f"no session {where} {format_moment(date)}: the calendar {self._range()}"
            )
        return self._sessions[position]

    def session_at(self, position: int | None) -> pd.Timestamp | None:
        """The session at a position; ``None`` past the end.

        Raises:
            CalendarError: The position is negative.
        """
        if position is None or position >= len(self):
            return None
        if position < 0:
            raise CalendarError(f"{-position} sessions before the calendar, which {self._range()}")
        return self._sessions[position]

    def interval(self, later: Any, earlier: Any) -> int:
        """Sessions from ``earlier`` to ``later``; negative when they stand the other way."""
        return self.index(later) - self.index(earlier)

    def between(self, start: Any, end: Any) -> pd.DatetimeIndex:
        """The sessions from ``start`` to ``end``, both included; ``None`` is open."""
        low = 0 if start is None else self.index(start)
        high = len(self) if end is None else self.index(end, "end") + 1
        return self._sessions[low : max(low, high)]

    def positions(self, segment: Any) -> tuple[int | None, int | None]:
        """Positions of a segment's first and last session; ``None`` stays ``None``.

        Raises:
            CalendarError: It is no pair of dates, or lies outside the calendar.
        """
        start, end = split_segment(segment)
        first = None if start is None else self.index(self.align(start))
        return first, None if end is None else self.index(self.align(end, "end"))

    def align_segment(self, segment: Any) -> Segment:
        """A segment with its start moved forward and its end moved back to a session.

        Raises:
            CalendarError: It is no pair of dates, or lies outside the calendar.
        """
        first, last = self.positions(segment)
        return self.session_at(first), self.session_at(last)

    def shift(self, segment: Any, step: int, rtype: str = SHIFT_SD) -> Segment:
        """Move a segment ``step`` sessions on.

        Args:
            segment: A pair of dates; ``None`` stays ``None``.
            step: Number of sessions.
            rtype: ``"sliding"`` moves both ends, ``"expanding"`` the end only.

        Returns:
            The new pair; an end past the calendar is ``None``.

        Raises:
            PastCalendarError: The start would be past the calendar.
            CalendarError: ``rtype`` is unknown.
        """
        if rtype not in (self.SHIFT_SD, self.SHIFT_EX):
            raise CalendarError(f"rtype {rtype!r} is unknown: use 'sliding' or 'expanding'")
        first, last = self.positions(segment)
        if first is not None and rtype == self.SHIFT_SD:
            first += step
            if first >= len(self):
                raise PastCalendarError(
                    f"a segment that starts {step} sessions after "
                    f"{format_moment(self._sessions[first - step])} is past the calendar, which "
                    f"{self._range()}"
                )
        return self.session_at(first), self.session_at(None if last is None else last + step)

    def truncate(self, segment: Any, test_start: Any, days: int) -> Segment:
        """Cut a segment so that it ends at least ``days`` sessions before the test start.

        A label that looks ``days`` sessions ahead is then known by the close of the first test
        session, when the first prediction is made. An open end is cut as well; an open start
        stays open. Of a segment that starts after the cut, the session of the cut is left.

        Raises:
            CalendarError: The segment is no pair of dates, or it, the test start or the cut
                lies outside the calendar.
        """
        limit = self.index(self.align(test_start)) - days
        if limit < 0:
            raise CalendarError(
                f"{days} sessions before the test start {format_moment(test_start)} is before "
                f"the calendar, which {self._range()}"
            )
        first, last = self.positions(segment)
        return (
            self.session_at(None if first is None else min(first, limit)),
            self.session_at(limit if last is None else min(last, limit)),
        )


def __getattr__(name: str) -> Any:
    return find_moved_name(__name__, name)
