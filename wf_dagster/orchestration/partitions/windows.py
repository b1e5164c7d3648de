"""Keys as time windows: each is there from midnight (UTC) of its day on, and no other is.

A window of Dagster's is there once it has ended: a day or a period too late for a roll. Periods
without a gap have ``end_offset=1``, which counts the running one. With exclusions that shows the
next key that is not excluded, however far ahead (dagster issue 33551), and after the last key its
pages of keys never come to an end. Keys with gaps, and keys that may soon be over, have short
windows instead: one hour, that ends at midnight UTC, seen from a time zone one hour ahead.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import dagster as dg

from wf_dagster.rolling.planned_keys import next_period, period_start

_HOUR_AHEAD = "Etc/GMT-1"  # POSIX signs: this is UTC+1
_LOADED_FOR = dt.timedelta(days=184)  # a definition may be used for so long before it is remade
_DAY = dt.timedelta(days=1)
_PERIODS = {  # days as cron has them
    "week": "* * 1",
    "month": "1 * *",
    "quarter": "1 1,4,7,10 *",
    "year": "1 1 *",
}


def windows_of(
    keys: Sequence[str],
    step: int | str,
    today: dt.date | None = None,
    *,
    open_ended: bool = False,
) -> dg.TimeWindowPartitionsDefinition:
    """The definition that has exactly these keys, each from midnight (UTC) of its day on.

    Args:
        keys: ISO dates, sorted; for a period step, first days of periods.
        step: That of the rolling generator.
        today: The day on which the definition is made, which may be used from then on.
        open_ended: Whether further periods without a gap follow the last key for ever.
    """
    today = today or dt.datetime.now(dt.timezone.utc).date()
    first, last = dt.date.fromisoformat(keys[0]), dt.date.fromisoformat(keys[-1])
    days = "* * *" if isinstance(step, int) else _PERIODS[step]
    end = last + _DAY if isinstance(step, int) else next_period(last, step)
    there = set(keys)
    gaps = [day for day in _starts(first, end, step) if day.isoformat() not in there]
    if isinstance(step, str) and open_ended and not gaps and first <= today:
        return dg.TimeWindowPartitionsDefinition(
            start=keys[0],
            fmt="%Y-%m-%d",
            cron_schedule=f"0 0 {days}",
            timezone="UTC",
            end_offset=1,  # counts the running one
        )
    ended = end + _DAY <= today  # in every time zone
    # of periods to come `end_offset` would show the first too early
    running = isinstance(step, str) and not gaps and first <= today < end - _LOADED_FOR
    short = not (ended or running)
    if short and isinstance(step, int):  # fewer windows are listed faster
        weekdays = {dt.date.fromisoformat(key).weekday() for key in keys}
        days = "* * " + ",".join(str(day) for day in sorted((d + 1) % 7 for d in weekdays))
        gaps = [day for day in gaps if day.weekday() in weekdays]
    # Dagster's pages go back from now without a look at `end`. The end of next year moves on
    # once a year, and only with it what the definition is.
    past = _starts(end, dt.date(max(today, end).year + 2, 1, 1), step)
    exclusions = [dt.datetime.combine(day, dt.time()) for day in (*gaps, *past)]
    return dg.TimeWindowPartitionsDefinition(
        start=keys[0],
        end=end.isoformat(),
        fmt="%Y-%m-%d",
        cron_schedule=f"0 0,1 {days}" if short else f"0 0 {days}",
        timezone=_HOUR_AHEAD if isinstance(step, int) or short else "UTC",
        end_offset=1 if running and not ended else 0,
        exclusions=[*exclusions, *([f"0 1 {days}"] if short else [])] or None,
    )


def _starts(start: dt.date, end: dt.date, step: int | str) -> Iterator[dt.date]:
    """The days from ``start`` to before ``end`` on which a plain window starts."""
    if isinstance(step, str) and period_start(start, step) < start:
        start = next_period(start, step)
    while start < end:
        yield start
        start = start + _DAY if isinstance(step, int) else next_period(start, step)
