"""Qlib's ``TimeAdjuster``: a trading calendar for code that was written for Qlib's generators."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from wf_dagster.dates import EXPANDING, SLIDING, Segment, split_segment
from wf_dagster.errors import CalendarError
from wf_dagster.market import Market

if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.calendars import TradingCalendar


class TimeAdjuster:
    """Moves dates and segments along the sessions of a market.

    What this project itself counts with is :class:`wf_dagster.TradingCalendar`. A date that lies
    outside the sessions is an error here, where Qlib's takes a session from the other end.

    Args:
        future: Whether sessions after the last one with prices count.
        end_time: The last date that counts; default the end of the calendar.
        calendar: The sessions; default those of the settings.

    Attributes:
        cals: The sessions that count, sorted.
    """

    SHIFT_SD = SLIDING
    SHIFT_EX = EXPANDING

    cals: pd.DatetimeIndex

    def __init__(
        self, future: bool = True, end_time: Any = None, *, calendar: TradingCalendar | None = None
    ) -> None:
        self._future = future
        self._whole = calendar or Market().calendar
        self.set_end_time(end_time)

    def set_end_time(self, end_time: Any = None) -> None:
        """Let no later sessions count; ``None`` is the end of the calendar.

        Raises:
            CalendarError: It is before the first session.
        """
        from wf_dagster.calendars import TradingCalendar  # slow to import

        last = None if self._future else self._whole.last_session
        if end_time is not None:
            end = self._whole.align(end_time, "end")
            last = end if last is None else min(end, last)
        self.cals = self._whole.between(None, last)
        self._calendar = TradingCalendar(self.cals)

    def get(self, idx: int | None) -> pd.Timestamp | None:
        """The session at a position; ``None`` past the end, and of ``None``.

        Raises:
            CalendarError: The position is negative.
        """
        return self._calendar.session_at(idx)

    def max(self) -> pd.Timestamp:
        """The last session."""
        return self.cals[-1]

    def align_idx(self, time_point: Any, tp_type: str = "start") -> int | None:
        """Position of the session at or after a date; at or before it with ``"end"``.

        Args:
            time_point: A date; of ``None``, an open end, it is ``None``.
            tp_type: ``"start"`` or ``"end"``.

        Raises:
            CalendarError: ``tp_type`` is neither.
        """
        if time_point is None:
            return None
        return self._calendar.index(time_point, _side(tp_type))

    def cal_interval(self, time_point_A: Any, time_point_B: Any) -> int:  # noqa: N803
        """Sessions from ``time_point_B`` to ``time_point_A``; negative the other way round."""
        return self._calendar.interval(time_point_A, time_point_B)

    def align_time(self, time_point: Any, tp_type: str = "start") -> pd.Timestamp | None:
        """The session at or after a date; at or before it with ``"end"``.

        Args:
            time_point: A date; of ``None``, an open end, it is ``None``.
            tp_type: ``"start"`` or ``"end"``.

        Raises:
            CalendarError: There is none, or ``tp_type`` is neither.
        """
        return None if time_point is None else self._calendar.align(time_point, _side(tp_type))

    def align_seg(self, segment: Any) -> Any:
        """A segment whose ends are moved inwards to sessions; or each segment of a dict.

        Args:
            segment: A pair of dates, or a dict of pairs; ``None`` is an open end.

        Raises:
            CalendarError: It is neither, or lies outside the calendar.
        """
        if isinstance(segment, Mapping):
            return {name: self.align_seg(inner) for name, inner in segment.items()}
        return self._calendar.align_segment(segment)

    def truncate(self, segment: Any, test_start: Any, days: int) -> Segment:
        """Cut a segment so that it ends at least ``days`` sessions before the test start.

        Raises:
            CalendarError: It is no pair of dates, or the cut lies outside the calendar.
        """
        return self._calendar.truncate(segment, test_start, days)

    def shift(self, seg: Any, step: int, rtype: str = SHIFT_SD) -> Segment:
        """Move a segment on; an end past the calendar becomes ``None``.

        Args:
            seg: A pair of dates; ``None`` stays ``None``.
            step: Sessions.
            rtype: ``"sliding"`` moves both ends, ``"expanding"`` the end only.

        Raises:
            PastCalendarError: It would start past the calendar: a ``KeyError``, as Qlib's.
            CalendarError: It is no pair of dates, or ``rtype`` is unknown.
        """
        return self._calendar.shift(seg, step, rtype)


def trunc_segments(
    ta: TimeAdjuster, segments: MutableMapping[str, Any], days: int, test_key: str = "test"
) -> None:
    """Cut all segments but the test segment, in place: see :meth:`TimeAdjuster.truncate`.

    Args:
        ta: Whose sessions count.
        segments: Pairs of dates by name.
        days: Sessions between the end of a segment and the test start.
        test_key: Name of the test segment.

    Raises:
        CalendarError: A segment or the cut lies outside the calendar.
    """
    # an open start is the end of the test segment to Qlib too
    test_start = next(end for end in split_segment(segments[test_key]) if end is not None)
    others = [name for name in segments if name != test_key]
    segments.update({name: ta.truncate(segments[name], test_start, days) for name in others})


def _side(tp_type: str) -> Any:
    if tp_type not in ("start", "end"):
        raise CalendarError(f"tp_type {tp_type!r} is unknown: use 'start' or 'end'")
    return tp_type
