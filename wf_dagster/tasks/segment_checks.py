"""What is wrong with the segments of a task, all of it, each with its path."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import combinations
from typing import TYPE_CHECKING, Any

from wf_dagster.dates import (
    end_of_day,
    format_moment,
    is_midnight,
    names_day,
    read_moment,
    split_segment,
)
from wf_dagster.errors import CalendarError, TaskError
from wf_dagster.log_once import warn_once

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar

SEGMENTS = "dataset.kwargs.segments"
ORDER = ("train", "valid", "test")
_TYPO = 0.8  # from this likeness on a name is taken for a misspelt one
_ALIKE = 0.6
_log = logging.getLogger(__name__)


def find_segment_mistakes(
    segments: Mapping[str, Any],
    calendar: TradingCalendar | None = None,
    *,
    may_overlap: bool = False,
) -> Iterator[TaskError]:
    """What is wrong with the dates of segments.

    Args:
        segments: Pairs of dates by name; ``None`` is an open end.
        calendar: Also check that each fits it and holds a session.
        may_overlap: Whether segments may have sessions in common, which the log then says once.
    """
    parsed: dict[str, tuple[Any, Any]] = {}
    for name, segment in segments.items():
        where = f"{SEGMENTS}.{name}"
        try:
            start, end = split_segment(segment)
            first, last = (None if x is None else read_moment(x) for x in (start, end))
        except CalendarError as error:
            yield TaskError(f"{where}: {error}")
            continue
        if first is not None and last is not None and first > _last_moment(last):
            yield TaskError(
                f"{where} starts {format_moment(first)}, after its end {format_moment(last)}: the "
                "dates are reversed"
            )
            continue
        parsed[name] = start, end
        if calendar is not None:
            yield from _check_on_calendar(where, start, end, calendar)
    names = [name for name in ORDER if name in parsed]
    overlaps = [
        (before, after)
        for before, after in combinations(names, 2)
        if _overlap(parsed[before][1], parsed[after][0], calendar)
    ]
    if overlaps and may_overlap:
        pairs = ", ".join(f"{after} starts before {before} has ended" for before, after in overlaps)
        warn_once(  # without dates: those of each roll are others
            _log,
            f"{SEGMENTS}: {pairs}; they are taken as they are, as in Qlib, but what a model shows "
            "on sessions that it has learnt from looks better than it is",
        )
        return
    for before, after in overlaps:
        end, start = parsed[before][1], parsed[after][0]
        ends = "is open" if end is None else f"ends {format_moment(read_moment(end))}"
        starts = "at the beginning" if start is None else format_moment(read_moment(start))
        yield TaskError(
            f"{SEGMENTS}.{before} {ends}, but {after} starts {starts}: "
            "segments must follow one another without overlap"
        )


def find_name_mistakes(
    segments: Mapping[str, Any], test_key: str, train_key: str, needs_train: bool
) -> Iterator[TaskError]:
    """What is wrong with the names of segments.

    Args:
        segments: By name.
        test_key: The test segment, which is moved on.
        train_key: The train segment.
        needs_train: Whether something learns from the train segment.
    """
    needed = [test_key, train_key] if needs_train else [test_key]
    lacking = [name for name in needed if name not in segments]
    known = [name for name in dict.fromkeys((*ORDER, test_key, train_key)) if name not in segments]
    for name in segments:
        if name in (*ORDER, test_key, train_key):
            continue
        close = get_close_matches(name.lower(), known, n=1, cutoff=_ALIKE)
        like = get_close_matches(name.lower(), known, n=1, cutoff=_TYPO)
        if like or (close and close[0] in lacking):
            lacking = [other for other in lacking if other != close[0]]
            yield TaskError(f"{SEGMENTS}.{name} is unknown: did you mean {close[0]!r}?")
        elif close:
            _log.warning(
                "%s.%s is read by no model of this package or of Qlib's, which know %r",
                *(SEGMENTS, name, close[0]),
            )
    for name in lacking:
        if name == test_key:
            yield TaskError(f"{SEGMENTS}.{name} is missing: it is the segment that is moved on")
        else:
            yield TaskError(f"{SEGMENTS}.{name} is missing: the model learns from it")
    if test_key in segments:
        test = segments[test_key]
        if isinstance(test, (tuple, list)) and len(test) == 2 and test[0] is None:
            yield TaskError(f"{SEGMENTS}.{test_key} is {test!r}: give it a start")


def _last_moment(moment: dt.datetime) -> dt.datetime:
    """The last moment that an end may mean, which without a time of day is a day."""
    return end_of_day(moment) if is_midnight(moment) else moment


def _overlap(end: Any, start: Any, calendar: TradingCalendar | None) -> bool:
    """Whether a segment with this end reaches into one with this start; ``None`` is open."""
    if end is None or start is None:
        return True
    last = end_of_day(read_moment(end)) if names_day(end) else read_moment(end)
    if last >= read_moment(start):
        return True
    # what is two moments of a day is one session where sessions are days
    return calendar is not None and calendar.index(end, "end") >= calendar.index(start)


def _check_on_calendar(
    where: str, start: Any, end: Any, calendar: TradingCalendar
) -> Iterator[TaskError]:
    outside = (start is not None and calendar.index(start) == len(calendar)) or (
        end is not None and calendar.index(end, "end") < 0
    )
    ends = ["open" if x is None else format_moment(read_moment(x)) for x in (start, end)]
    if outside:
        first, last = (format_moment(calendar.sessions[place]) for place in (0, -1))
        yield TaskError(
            f"{where} ({' to '.join(ends)}) is outside the calendar, which runs from {first} to "
            f"{last}"
        )
    elif len(calendar.between(start, end)) == 0:
        yield TaskError(f"{where} from {ends[0]} to {ends[1]} holds no session")
