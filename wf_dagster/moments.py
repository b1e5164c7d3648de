"""What a date stands for among sessions that are days, or bars within days.

Where sessions are bars, ``"2024-03-01"`` as a start means the first bar of that day and as an end
its last one; a time of day is exact. A ``Timestamp`` holds no sign of how it was written: one at
midnight is a bar where bars begin at midnight, and else a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from wf_dagster.dates import end_of_day as end_of_day
from wf_dagster.dates import format_moment as format_moment
from wf_dagster.dates import is_midnight as is_midnight
from wf_dagster.dates import names_day as names_day
from wf_dagster.dates import to_stamp as to_stamp
from wf_dagster.errors import CalendarError

Side = Literal["start", "end"]
Stamps = npt.NDArray[np.datetime64]
_DAY, _MOMENT = "datetime64[D]", "datetime64[us]"
_REST_OF_DAY = np.timedelta64(1, "D") - np.timedelta64(1, "us")


def to_day(date: Any) -> pd.Timestamp:
    """A date as a Timestamp at midnight without time zone.

    Raises:
        CalendarError: It is no date.
    """
    return to_stamp(date).normalize()


def to_replay_date(date: Any) -> pd.Timestamp:
    """A replay date, which hides whole days.

    Raises:
        CalendarError: It is no date, or has a time of day.
    """
    stamp = to_stamp(date)
    if not is_midnight(stamp):
        raise CalendarError(
            f"the replay date {stamp} has a time of day: it hides the prices of later days, so "
            f"use a day such as '{stamp:%Y-%m-%d}', whose prices are all seen"
        )
    return stamp


def earliest_day(*dates: Any) -> pd.Timestamp | None:
    """The earliest of some replay dates, those that are empty aside; ``None`` if all are.

    Raises:
        CalendarError: One of them is no date, or has a time of day.
    """
    return min((to_replay_date(date) for date in dates if date), default=None)


def has_times(stamps: pd.Index | Stamps) -> bool:
    """Whether some of the stamps have a time of day."""
    values = np.asarray(stamps)
    return bool((values.astype(_DAY) != values).any())


def name_bar(stamps: pd.DatetimeIndex) -> str:
    """The frequency of bars as Qlib writes it, such as ``"30min"``; ``"1day"`` of days.

    It is the most common distance of two bars of one day.

    Args:
        stamps: Sorted, each once.
    """
    values = stamps.to_numpy().astype("datetime64[s]")
    days = values.astype(_DAY)
    steps = np.diff(values)[days[1:] == days[:-1]].astype("int64")
    if not len(steps) or not has_times(stamps):
        return "1day"
    lengths, counts = np.unique(steps, return_counts=True)
    seconds = int(lengths[np.argmax(counts)])
    return f"{seconds // 60}min" if seconds % 60 == 0 else f"{seconds}s"


def check_sessions(sessions: Iterable[Any]) -> pd.DatetimeIndex:
    """Sessions as a sorted index without time zone, named ``datetime``.

    Raises:
        CalendarError: They cannot be used; the message says why.
    """
    try:
        values = sessions if isinstance(sessions, pd.Index) else list(sessions)
        index = pd.DatetimeIndex(values)
    except (TypeError, ValueError) as error:
        raise CalendarError(f"the sessions are not all dates: {error}") from None
    if len(index) == 0:
        raise CalendarError("a calendar needs at least one session")
    if index.tz is not None:
        raise CalendarError(
            f"the sessions carry the time zone {index.tz}: sessions are dates, remove it with "
            ".tz_localize(None)"
        )
    if index.hasnans:
        raise CalendarError("one of the sessions is empty (NaT)")
    if has_times(index) and index.normalize().is_unique:
        first = index[index != index.normalize()][0]
        raise CalendarError(
            f"session {first} has a time of day, and no day has two sessions: use .normalize()"
        )
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise CalendarError(f"session {format_moment(twice)} stands twice")
    if not index.is_monotonic_increasing:
        place = int(np.flatnonzero(np.diff(index.to_numpy()) < np.timedelta64(0))[0]) + 1
        raise CalendarError(
            f"the sessions are not sorted: {format_moment(index[place])} is too late"
        )
    return pd.DatetimeIndex(index.to_numpy().astype("datetime64[ns]"), name="datetime")


class Moments:
    """Sorted stamps among which dates are looked up.

    Args:
        values: ``datetime64[D]`` where they are days, ``datetime64[us]`` where they are bars; a
            stamp may be there several times. No nanoseconds: ``"9999-12-31"`` for "for ever" has
            none.
    """

    def __init__(self, values: Stamps) -> None:
        self.values = values

    @classmethod
    def of(cls, stamps: pd.Index | Stamps) -> Moments:
        """Those of sorted stamps without time zone."""
        return cls(np.asarray(stamps).astype(_MOMENT if has_times(stamps) else _DAY))

    @property
    def are_bars(self) -> bool:
        """Whether they have times of day."""
        return self.values.dtype != np.dtype(_DAY)

    def locate(self, date: Any, side: Side = "start") -> np.datetime64:
        """The moment that a date stands for as the start, or as the end, of a range.

        Raises:
            CalendarError: It is no date; or it has a time zone, and they are bars.
        """
        if not self.are_bars:
            return np.datetime64(to_day(date), "D")
        stamp = to_stamp(date)
        if getattr(date, "tzinfo", None) is not None or pd.Timestamp(date).tzinfo is not None:
            raise CalendarError(
                f"{date} carries a time zone, and bars have none: write the time of day of the "
                "prices, without a zone"
            )
        moment = np.datetime64(stamp, "us")
        if side == "end" and is_midnight(stamp) and (names_day(date) or not self._has_midnight()):
            moment = moment + _REST_OF_DAY
        return moment

    def _has_midnight(self) -> bool:
        return bool((self.values.astype(_DAY) == self.values).any())

    def position(self, date: Any, side: Side = "start") -> int:
        """How many stamps are before a date as a start, or not after it as an end."""
        place = "left" if side == "start" else "right"
        return int(np.searchsorted(self.values, self.locate(date, side), side=place))  # type: ignore[call-overload]

    def range(self, start: Any, end: Any) -> slice:
        """The places from ``start`` to ``end``, both included; ``None`` is open."""
        low = 0 if start is None else self.position(start)
        high = len(self.values) if end is None else self.position(end, "end")
        return slice(low, max(low, high))


def rows_between(index: pd.Index, start: Any, end: Any) -> slice:
    """The rows from ``start`` to ``end``, both included; ``None`` is open.

    Args:
        index: Sorted rows, of which ``datetime`` is the first level.
        start: First date, or bar.
        end: Last date, or bar.
    """
    if not isinstance(index, pd.MultiIndex) or not index.levels[0].is_monotonic_increasing:
        return Moments.of(index.get_level_values("datetime")).range(start, end)
    places = Moments.of(index.levels[0]).range(start, end)  # each stamp once
    low, high = np.searchsorted(index.codes[0], [places.start, places.stop])
    return slice(int(low), int(high))
