"""Segments of a task: read with the path of what is wrong, cut, and put into a copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.dates import Segment, split_segment, to_stamp
from wf_dagster.errors import CalendarError, TaskError
from wf_dagster.tasks.schema import Task
from wf_dagster.tasks.segment_checks import SEGMENTS as SEGMENTS

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar


def parse_segment(value: Any) -> Segment:
    """A segment as Timestamps, with the times of day that it has."""
    start, end = split_segment(value)
    return (None if start is None else to_stamp(start), None if end is None else to_stamp(end))


def align_segments(
    task: Mapping[str, Any], calendar: TradingCalendar, test_key: str
) -> dict[str, Segment]:
    """The segments of a task, their ends moved to sessions of the calendar.

    Raises:
        TaskError: The task has no test segment, or one without a start.
        CalendarError: A segment is no pair of dates, or lies outside the calendar; the message
            holds its path.
    """
    try:
        unaligned = dict(task["dataset"]["kwargs"]["segments"])
        test = unaligned[test_key]
    except (KeyError, TypeError, ValueError):
        raise TaskError(
            f"{SEGMENTS}.{test_key} is missing: the other segments lie before the test segment"
        ) from None
    segments = {}
    for name, segment in unaligned.items():
        try:
            segments[name] = calendar.align_segment(segment)
        except CalendarError as error:
            raise CalendarError(f"{SEGMENTS}.{name}: {error}") from None
    if segments[test_key][0] is None:
        raise TaskError(f"{SEGMENTS}.{test_key} is {test!r}: give it a start")
    return segments


def truncate_segments(
    segments: Mapping[str, Segment], calendar: TradingCalendar, days: int, test_key: str
) -> dict[str, Segment]:
    """All segments but the test segment cut to end ``days`` sessions before the test start.

    Raises:
        CalendarError: The cut is before the calendar.
    """
    test_start = segments[test_key][0]
    return {
        name: segment if name == test_key else calendar.truncate(segment, test_start, days)
        for name, segment in segments.items()
    }


def with_dataset_kwargs(task: Mapping[str, Any], **kwargs: Any) -> Task:
    """A task with some keyword arguments of its dataset; the given one stays as it is.

    Raises:
        TaskError: The dataset is no configuration.
    """
    dataset = task.get("dataset")
    if not isinstance(dataset, Mapping):
        raise TaskError(
            f"dataset is {dataset!r}: a generator needs {{'class', 'module_path', 'kwargs'}}, "
            "to change its kwargs"
        )
    return {**task, "dataset": {**dataset, "kwargs": {**(dataset.get("kwargs") or {}), **kwargs}}}
