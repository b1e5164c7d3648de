"""The keys of rolls, from sessions alone: no task is made for them."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from wf_dagster.dates import read_moment, split_segment


def plan_keys(
    test: Any,
    step: int | str,
    days: Sequence[dt.date],
    bars: Sequence[int] | None = None,
    *,
    last: dt.date,
    until: dt.date,
) -> list[str]:
    """The keys of the rolls that :meth:`Rolls.from_template` makes on the same sessions.

    Args:
        test: The test segment of the template: a start and an end, which may be ``None``.
        step: That of the generator.
        days: The days that have sessions, sorted; those to come included.
        bars: The sessions of each day; ``None`` where each has one.
        last: The last day with prices. A roll that starts after it is there only if its end is
            known.
        until: The last day on which a roll may start.

    Returns:
        ISO dates in the order of time.
    """
    start, end = (
        None if date is None else read_moment(date).date() for date in split_segment(test)
    )
    if start is None:
        return []
    limit = until if end is None else min(until, end)
    before = [0, *accumulate(bars)] if bars is not None else range(len(days) + 1)
    keys = []
    place = bisect_left(days, start)
    while place < len(days) and days[place] <= limit:
        day = days[place]
        if isinstance(step, int):
            following = bisect_left(before, before[place] + step)
            ends = before[place] + step <= before[-1]
        else:
            closing = period_end(day, step)
            following = bisect_right(days, closing, lo=place)
            ends = closing <= days[-1]
        if bars is not None and following == len(days):
            ends = False  # whether the last day is whole, only a later bar shows
        if day > last and not ends:
            break
        keys.append(day.isoformat() if isinstance(step, int) else f"{period_start(day, step)}")
        place = following
    return keys


def period_start(day: dt.date, step: str) -> dt.date:
    """The first day of the week, month, quarter or year that holds a day."""
    if step == "week":
        return day - dt.timedelta(days=day.weekday())
    months = {"month": 1, "quarter": 3, "year": 12}[step]
    return dt.date(day.year, day.month - (day.month - 1) % months, 1)


def next_period(day: dt.date, step: str) -> dt.date:
    """The first day of the period after the one that holds a day."""
    first = period_start(day, step)
    if step == "week":
        return first + dt.timedelta(weeks=1)
    months = first.month - 1 + {"month": 1, "quarter": 3, "year": 12}[step]
    return dt.date(first.year + months // 12, months % 12 + 1, 1)


def period_end(day: dt.date, step: str) -> dt.date:
    """The last day of the period that holds a day."""
    return next_period(day, step) - dt.timedelta(days=1)
