"""When a roll can be trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.dates import format_moment
from wf_dagster.errors import CalendarError
from wf_dagster.rolling.rolls import Roll
from wf_dagster.tasks.label_functions import label_reach
from wf_dagster.tasks.segments import align_segments

if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.calendars import TradingCalendar


def due_session(
    task: Mapping[str, Any], calendar: TradingCalendar, test_key: str = "test"
) -> pd.Timestamp:
    """The first session at whose close a task can be trained.

    That is the session at which all labels of the segments beside the test segment are known, or
    the first of the test segment, whichever is earlier. It is the first of the test segment where
    the label does not say how far it reaches, or such a segment has an open end.

    Args:
        task: The task.
        calendar: Its sessions count, not which of them have data.
        test_key: Name of the test segment.

    Raises:
        TaskError: There is no test segment with a start, or the label function cannot be found.
        CalendarError: The segments do not fit the calendar.
    """
    segments = align_segments(task, calendar, test_key)
    start = segments[test_key][0]
    assert start is not None, "align_segments refuses a test segment without start"
    ends = [end for name, (_, end) in segments.items() if name != test_key]
    reach = label_reach(task)
    if reach is None or not ends:
        return start
    last = max(len(calendar) if end is None else calendar.index(end) for end in ends)
    labelled = calendar.session_at(last + reach)
    return start if labelled is None else min(start, labelled)


def why_not_due(roll: Roll, calendar: TradingCalendar) -> str | None:
    """Why a roll cannot be trained yet, in one sentence; ``None`` when it can.

    Args:
        roll: The roll.
        calendar: With data up to the last session there is now.
    """
    if roll.has_begun(calendar):
        return None
    last = calendar.last_session
    try:
        due = due_session(roll.task, calendar, roll.test_key)
    except CalendarError as error:
        return f"roll {roll.key} cannot be trained yet: {error}"
    if due <= last:
        return None
    return (
        f"roll {roll.key} cannot be trained yet: it is due at the close of {format_moment(due)}, "
        f"and the last session with prices is {format_moment(last)}; materialize it then"
    )
