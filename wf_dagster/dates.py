"""Dates, and pairs of them, as people write them: read without pandas.

Definitions are loaded often, and pandas takes longer to import than all of them: what is looked at
then is read here. :mod:`wf_dagster.moments` has the rest, on pandas' own dates.
"""

from __future__ import annotations

import datetime as dt
import re
from numbers import Number
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import CalendarError

if TYPE_CHECKING:
    import pandas as pd

# both ends included, None is open
Segment = tuple["pd.Timestamp | None", "pd.Timestamp | None"]
SLIDING, EXPANDING = "sliding", "expanding"  # how a segment moves on: both ends, or the last alone
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?", re.ASCII)


def read_moment(date: Any) -> dt.datetime:
    """A date, with its time of day if it has one, without time zone.

    Raises:
        CalendarError: It is no date.
    """
    if isinstance(date, str) and _ISO.fullmatch(date):
        try:
            return dt.datetime.fromisoformat(date)
        except ValueError:  # such as a 30th of February
            raise _no_date(date) from None
    if type(date) is dt.date:
        return dt.datetime.combine(date, dt.time())
    if type(date) is dt.datetime:
        return date.replace(tzinfo=None)
    return to_stamp(date)


def to_stamp(date: Any) -> pd.Timestamp:
    """A date, with its time of day if it has one, as a Timestamp without time zone.

    Raises:
        CalendarError: It is no date.
    """
    import pandas as pd  # slow to import

    try:
        # a number would be taken for nanoseconds since 1970
        stamp = None if isinstance(date, Number) else pd.Timestamp(date)
    except (TypeError, ValueError):
        stamp = None
    if stamp is None or pd.isna(stamp):
        raise _no_date(date)
    return stamp.tz_localize(None) if stamp.tzinfo else stamp


def _no_date(date: Any) -> CalendarError:
    return CalendarError(f"{date!r} is no date: use an ISO date such as '2020-03-01'")


def is_midnight(moment: dt.datetime) -> bool:
    """Whether a moment has no time of day."""
    return moment.time() == dt.time() and not getattr(moment, "nanosecond", 0)


def end_of_day(moment: dt.datetime) -> dt.datetime:
    """The last microsecond of a moment's day."""
    return dt.datetime.combine(moment.date(), dt.time.max)


def names_day(date: Any) -> bool:
    """Whether a date was written without a time of day, such as ``"2024-03-01"``."""
    if isinstance(date, str):
        return ":" not in date
    if type(date).__module__ == "numpy":  # a datetime64, which is one of days or of moments
        return str(date.dtype) in {f"datetime64[{unit}]" for unit in "DWMY"}
    return isinstance(date, dt.date) and not isinstance(date, dt.datetime)


def format_moment(moment: Any) -> str:
    """A moment for people: an ISO date, with the time of day if it has one."""
    moment = read_moment(moment)
    if is_midnight(moment):
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%Y-%m-%d %H:%M}" if moment.second == 0 else f"{moment:%Y-%m-%d %H:%M:%S}"


def split_segment(segment: Any) -> tuple[Any, Any]:
    """A segment's start and end.

    Raises:
        CalendarError: It is not a pair.
    """
    if isinstance(segment, (tuple, list)) and len(segment) == 2:
        return segment[0], segment[1]
    raise CalendarError(f"{segment!r} is no segment: use a pair of dates (start, end)")
