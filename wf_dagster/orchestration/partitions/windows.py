"""Keys as time windows: each is there from midnight (UTC) of its day on, and no other is.

A window of Dagster's is there once it has ended: a day or a period too late for a roll. Periods
without a gap have ``end_offset=1``, which counts the running one. With exclusions that shows the
next key that is not excluded, however far ahead (dagster issue 33551), and after the last key its
pages of keys never come to an end. Keys with gaps, and keys that may soon be over, have short
windows instead: one hour, that ends at midnight UTC, seen from a time zone one hour ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
import pandas as pd

_FORMAT = "%Y-%m-%d"
_HOUR_AHEAD = "Etc/GMT-1"  # POSIX signs: this is UTC+1
_LOADED_FOR = pd.DateOffset(months=6)  # a definition may be used for so long before it is remade
_PERIODS = {  # days as cron has them, and the way to the next
    "week": ("* * 1", pd.DateOffset(weeks=1)),
    "month": ("1 * *", pd.DateOffset(months=1)),
    "quarter": ("1 1,4,7,10 *", pd.DateOffset(months=3)),
    "year": ("1 1 *", pd.DateOffset(years=1)),
}


def windows_of(
    keys: Sequence[str], step: int | str, today: pd.Timestamp | None = None
) -> dg.TimeWindowPartitionsDefinition:
    """The definition that has exactly these keys, each from midnight (UTC) of its day on.

    Args:
        keys: ISO dates, sorted; for a period step, first days of periods.
        step: That of the rolling generator.
        today: The day on which the definition is made, which may be used from then on.
    """
    today = today or pd.Timestamp.now("UTC").tz_localize(None).normalize()
    first, last = pd.Timestamp(keys[0]), pd.Timestamp(keys[-1])
    days, after = ("* * *", pd.DateOffset(days=1)) if isinstance(step, int) else _PERIODS[step]
    end = last + after
    gaps = _starts(first, end, step).difference(pd.DatetimeIndex(list(keys)))
    ended = end + pd.DateOffset(days=1) <= today  # in every time zone
    # of periods to come `end_offset` would show the first too early
    running = isinstance(step, str) and gaps.empty and first <= today < end - _LOADED_FOR
    short = not (ended or running)
    if short and isinstance(step, int):  # fewer windows are listed faster
        weekdays = {pd.Timestamp(key).dayofweek for key in keys}
        days = "* * " + ",".join(str(day) for day in sorted((d + 1) % 7 for d in weekdays))
        gaps = gaps[gaps.dayofweek.isin(weekdays)]
    # Dagster's pages go back from now without a look at `end`. The end of next year moves on
    # once a year, and only with it what the definition is.
    past = _starts(end, pd.Timestamp(max(today, end).year + 2, 1, 1), step)
    exclusions = [day.to_pydatetime() for day in gaps.append(past)]
    return dg.TimeWindowPartitionsDefinition(
        start=keys[0],
        end=end.strftime(_FORMAT),
        fmt=_FORMAT,
        cron_schedule=f"0 0,1 {days}" if short else f"0 0 {days}",
        timezone=_HOUR_AHEAD if isinstance(step, int) or short else "UTC",
        end_offset=1 if running and not ended else 0,
        exclusions=[*exclusions, *([f"0 1 {days}"] if short else [])] or None,
    )


def _starts(start: pd.Timestamp, end: pd.Timestamp, step: int | str) -> pd.DatetimeIndex:
    """The days from ``start`` to before ``end`` on which a plain window starts."""
    days = pd.date_range(start, end, freq="D", inclusive="left")
    first = {
        "week": days.dayofweek == 0,
        "month": days.is_month_start,
        "quarter": days.is_quarter_start,
        "year": days.is_year_start,
    }
    return days[first[step]] if isinstance(step, str) else days
