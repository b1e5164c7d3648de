"""Dates as people write them: read without pandas, and refused where they mean two days."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from wf_dagster.errors import CalendarError

# 02/01/2018 is the first of February in one country and the second of January in another
_AMBIGUOUS = re.compile(r"\s*\d{1,2}\s*[-/. ]\s*\d{1,2}\s*[-/. ]\s*(\d{4}|\d{2})(?!\d)")


def refuse_ambiguous(date: Any) -> None:
    """Refuse a text whose day and month can be taken for one another.

    Args:
        date: Anything: only texts are looked at.

    Raises:
        CalendarError: It begins with two numbers of one or two digits and a year.

    Example:
        >>> refuse_ambiguous("2018-01-02")
        >>> refuse_ambiguous("02/01/2018")
        Traceback (most recent call last):
        wf_dagster.errors.CalendarError: '02/01/2018' is ambiguous: ...
    """
    if isinstance(date, str) and _AMBIGUOUS.match(date):
        raise CalendarError(
            f"{date!r} is ambiguous: day and month can be taken for one another; use an ISO date "
            "such as '2020-03-01'"
        )


def read_moment(date: Any) -> dt.datetime | None:
    """A date, with its time of day if it has one, without time zone; pandas is not imported.

    Args:
        date: A text, a date, a datetime (a pandas Timestamp is one) or a ``numpy.datetime64``.

    Returns:
        ``None`` where only pandas can say whether it is a date.

    Raises:
        CalendarError: It is ambiguous.
    """
    refuse_ambiguous(date)
    if isinstance(date, str):
        try:
            return dt.datetime.fromisoformat(date.strip()).replace(tzinfo=None)
        except ValueError:
            return None
    if isinstance(date, dt.datetime):
        return dt.datetime(*date.timetuple()[:6], date.microsecond) if date == date else None
    if isinstance(date, dt.date):
        return dt.datetime(date.year, date.month, date.day)
    if type(date).__name__ == "datetime64":
        moment = date.astype("datetime64[us]").item()
        return moment if isinstance(moment, dt.datetime) else None
    return None


def names_day(date: Any) -> bool:
    """Whether a date was written without a time of day, such as ``"2024-03-01"``."""
    if isinstance(date, str):
        return ":" not in date
    if type(date).__name__ == "datetime64":
        return str(date.dtype).endswith(("[D]", "[W]", "[M]", "[Y]"))
    return isinstance(date, dt.date) and not isinstance(date, dt.datetime)


def split_segment(segment: Any) -> tuple[Any, Any]:
    """A segment's start and end.

    Raises:
        CalendarError: It is not a pair.
    """
    if isinstance(segment, (tuple, list)) and len(segment) == 2:
        return segment[0], segment[1]
    raise CalendarError(f"{segment!r} is no segment: use a pair of dates (start, end)")
