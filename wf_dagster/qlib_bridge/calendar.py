"""Qlib's calendar as a trading calendar."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError
from wf_dagster.moments import to_day
from wf_dagster.qlib_bridge.options import DAILY, QlibOptions, name_of
from wf_dagster.qlib_bridge.session import provider_uri
from wf_dagster.qlib_engine.provider_closes import count_days_with_closes
from wf_dagster.qlib_engine.provider_files import DEFAULT, folders_of, list_frequencies


def read_calendar(options: QlibOptions, as_of: Any = None, freq: str = DAILY) -> TradingCalendar:
    """The calendar of a frequency; it is read again when its files have changed.

    Args:
        options: What Qlib is initialised with.
        as_of: Replay date: data end there.
        freq: As Qlib's data name it, such as ``"30min"``.

    Raises:
        CalendarError: The data have none of that frequency.
    """
    sessions, with_data = _read(options, freq)
    return TradingCalendar(sessions, with_data[-1]).until(to_day(as_of).date() if as_of else None)


def sessions_with_data(options: QlibOptions, freq: str = DAILY) -> pd.DatetimeIndex:
    """The sessions of which there are data, whatever the replay date."""
    return _read(options, freq)[1]


def _read(options: QlibOptions, freq: str) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """All sessions, and those of which there are data."""
    folders = folders_of(provider_uri(options))
    folder = folders.get(freq) or folders.get(DEFAULT)
    if folder is not None and freq not in list_frequencies(folder):
        there = list_frequencies(folder)
        wanted = "daily" if freq == DAILY else freq
        other = f", calendar={name_of(there[0])!r} for its bars" if there else ""
        raise CalendarError(
            f"the data in {str(folder)!r} have no {wanted} calendar (there are: "
            f"{', '.join(there) or 'none'}): set another qlib_provider_uri "
            f"(WF_QLIB_PROVIDER_URI){other}, or calendar (WF_CALENDAR) to an exchange"
        )
    stamps = _stamps(folder, freq)
    sessions, with_data = _sessions(folder, freq, stamps)
    if folder is None or freq != DAILY:
        return sessions, with_data
    # a day may stand in the calendar before its prices have come
    return sessions, with_data[: count_days_with_closes(folder, len(with_data), stamps)]


@lru_cache(maxsize=4)
def _sessions(
    folder: Path | None, freq: str, _stamps: Any
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """All sessions, and those of the calendar of the data."""
    from qlib.data import D  # slow to import, as the next
    from qlib.data.cache import H

    H["c"].clear()
    with_data = pd.DatetimeIndex(D.calendar(freq=freq))
    reaches_ahead = folder is None or (folder / "calendars" / f"{freq}_future.txt").exists()
    sessions = pd.DatetimeIndex(D.calendar(freq=freq, future=True)) if reaches_ahead else with_data
    return sessions.union(with_data), with_data


def _stamps(folder: Path | None, freq: str) -> tuple[Any, ...]:
    if folder is None:
        return ()
    files = sorted((folder / "calendars").glob(f"{freq}*.txt"))
    return tuple((f.name, f.stat().st_mtime_ns, f.stat().st_size) for f in files)
