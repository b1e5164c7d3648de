"""Labels that a model would learn from before they were known."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from wf_dagster.errors import DataError
from wf_dagster.moments import format_moment
from wf_dagster.tasks.schema import TRUNC_DAYS
from wf_dagster.tasks.segments import parse_segment

_TEST = "test"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LateLabels:
    """Labels of the segments before the test segment that came after its first session had closed.

    Attributes:
        segment: The segment that the first of them lies in.
        row: The first of them: its session and instrument, as text.
        known_on: The session whose prices it needs; ``None`` where it changes with every price.
        test_open: The first test session.
        late: How many there are.
        checked: Of how many: the last ones before the test segment.
        trunc_days: The sessions between train and test with which there would be none of them.
        counted: What was counted.
    """

    segment: str
    row: str
    known_on: pd.Timestamp | None
    test_open: pd.Timestamp
    late: int
    checked: int
    trunc_days: int
    counted: str = "labels"

    def describe(self) -> str:
        """What is wrong, in a sentence without an end."""
        if self.known_on is None:
            known = "still changed with the last prices"
        else:
            known = f"was known on {format_moment(self.known_on)} only"
        return (
            f"the label of {self.row}, in the {self.segment} segment, {known}, after the first "
            f"test session {format_moment(self.test_open)} had closed ({self.late} of the last "
            f"{self.checked} {self.counted} before it)"
        )


def segments_before_test(
    segments: Mapping[str, Any],
) -> tuple[dict[str, tuple[pd.Timestamp | None, pd.Timestamp]], pd.Timestamp] | None:
    """The segments that a model learns from, and the start of the test segment.

    Args:
        segments: Of a dataset. Its test segment is ``"test"``, else the one that starts last.

    Returns:
        The segments that end before the test segment starts; ``None`` where it has no start.
    """
    parsed = {name: parse_segment(segment) for name, segment in segments.items()}
    starts = {name: start for name, (start, _) in parsed.items() if start is not None}
    test = _TEST if _TEST in parsed else max(starts, key=lambda name: starts[name], default=None)
    if test is None or test not in starts:
        return None
    before = {
        name: (start, end)
        for name, (start, end) in parsed.items()
        if name != test and end is not None and end < starts[test]
    }
    return before, starts[test]


def refuse_late_labels(task: Mapping[str, Any], late: LateLabels | None) -> None:
    """Refuse late labels in a roll that was cut to keep them out; warn of them elsewhere.

    Args:
        task: It has ``trunc_days`` where a generator cut its segments.
        late: What was found; ``None`` is nothing.

    Raises:
        DataError: It was cut, but by too few sessions.
    """
    if late is None:
        return
    trunc_days = task.get(TRUNC_DAYS)
    if trunc_days is None:
        _log.warning(
            "%s: what the model shows on the test segment may look better than it is; a "
            "RollingGen with trunc_days=%d leaves them out",
            late.describe(),
            late.trunc_days,
        )
        return
    raise DataError(
        f"{late.describe()}: with trunc_days={late.trunc_days} (now {trunc_days}) the "
        "generator ends the segments before such labels"
    )
