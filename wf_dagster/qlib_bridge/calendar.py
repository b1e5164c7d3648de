"""Qlib's calendar as a trading calendar."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.calendars import TradingCalendar, to_day
from wf_dagster.errors import CalendarError
from wf_dagster.qlib_bridge.options import QlibOptions
from wf_dagster.qlib_bridge.session import provider_uri
from wf_dagster.qlib_engine.provider_closes import count_days_with_closes
from wf_dagster.qlib_engine.provider_files import DEFAULT, folders_of, list_frequencies

_FREQ = "day"


def read_calendar(options: QlibOptions, as_of: Any = None) -> TradingCalendar:
    """The daily calendar; it is read again when its files have changed.

    Args:
        options: What Qlib is initialised with.
        as_of: Replay date: data end there.
    """
    sessions, with_data = _read(options)
    last = with_data[-1]
    return TradingCalendar(sessions, min(last, to_day(as_of)) if as_of else last)


def sessions_with_data(options: QlibOptions) -> pd.DatetimeIndex:
    """The sessions of which there are data, whatever the replay date."""
    return _read(options)[1]


def _read(options: QlibOptions) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """All sessions, and those of which there are data."""
    folders = folders_of(provider_uri(options))
    folder = folders.get(_FREQ) or folders.get(DEFAULT)
    if folder is not None and _FREQ not in list_frequencies(folder):
        available = ", ".join(list_frequencies(folder)) or "none"
        raise CalendarError(
            f"the data in {str(folder)!r} have no daily calendar (there are: {available}): "
            "set another qlib_provider_uri (WF_QLIB_PROVIDER_URI), or calendar (WF_CALENDAR) to "
            "an exchange"
        )
    stamps = _stamps(folder)
    sessions, with_data = _sessions(folder, stamps)
    if folder is None:
        return sessions, with_data
    # a day may stand in the calendar before its prices have come
    return sessions, with_data[: count_days_with_closes(folder, len(with_data), stamps)]


@lru_cache(maxsize=4)
def _sessions(folder: Path | None, _stamps: Any) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """All sessions, and those of the calendar of the data."""
    from qlib.data import D  # slow to import, as the next
    from qlib.data.cache import H

    H["c"].clear()
    with_data = pd.DatetimeIndex(D.calendar(freq=_FREQ))
    reaches_ahead = folder is None or (folder / "calendars" / f"{_FREQ}_future.txt").exists()
    sessions = pd.DatetimeIndex(D.calendar(freq=_FREQ, future=True)) if reaches_ahead else with_data
    return sessions.union(with_data), with_data


def _stamps(folder: Path | None) -> tuple[Any, ...]:
    if folder is None:
        return ()
    files = sorted((folder / "calendars").glob(f"{_FREQ}*.txt"))
    return tuple((f.name, f.stat().st_mtime_ns, f.stat().st_size) for f in files)
