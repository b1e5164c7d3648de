"""Closes of Qlib's data, read from its files: where they end, and what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wf_dagster.prices.close_digests import hash_values
from wf_dagster.qlib_engine.provider_files import folders_of

_FILE = "close.day.bin"
Values = npt.NDArray[np.float64]

_FILLED: set[tuple[Any, ...]] = set()  # calendars whose last day has a close


def count_days_with_closes(folder: Path, days: int, stamps: Any) -> int:
    """The days of a calendar up to the last one that any instrument has a close of.

    Args:
        folder: Of Qlib's data; one that holds no closes has all days.
        days: The days of its calendar.
        stamps: What identifies the calendar: once its last day has closes, it is not asked again.
    """
    if (folder, days, stamps) in _FILLED:
        return days
    last = -1
    for _, start, values in _read_files(folder):
        filled = np.flatnonzero(~np.isnan(values))
        if len(filled):
            last = max(last, start + int(filled[-1]))
        if last >= days - 1:
            break
    if 0 <= last < days - 1:
        return last + 1
    _FILLED.add((folder, days, stamps))
    return days


def close_digests(provider_uri: Any) -> pd.Series[Any]:
    """A digest of the closes of each day (uint64), as :func:`digest_closes` has it."""
    sums = pd.Series(dtype="uint64", index=pd.DatetimeIndex([], name="datetime"))
    for folder, days in _daily_folders(provider_uri):
        digests = np.zeros(len(days), dtype=np.uint64)
        for name, start, values in _read_files(folder):
            values = values[: max(len(days) - start, 0)]
            hashed = hash_values(pd.util.hash_array(np.array([name], dtype=object)), values)
            hashed[np.isnan(values)] = 0
            digests[start : start + len(values)] += hashed
        sums = pd.Series(digests, days)
    return sums[sums != 0]


def read_closes(provider_uri: Any, start: pd.Timestamp) -> pd.Series[Any]:
    """The closes from a day on: rows ``(datetime, instrument)``, float64, none missing."""
    for folder, days in _daily_folders(provider_uri):
        first = int(days.searchsorted(start))
        parts = {}
        for name, begin, values in _read_files(folder):
            column = np.full(len(days) - first, np.nan)
            recent = values[max(first - begin, 0) : max(len(days) - begin, 0)]
            place = max(begin - first, 0)
            column[place : place + len(recent)] = recent
            parts[name] = column
        wide = pd.DataFrame(parts, index=days[first:]).rename_axis(columns="instrument")
        closes = wide.stack().dropna().sort_index()
        assert isinstance(closes, pd.Series)
        return closes
    return pd.Series(dtype="float64", index=pd.MultiIndex.from_arrays([[], []], names=_ROWS))


_ROWS = ["datetime", "instrument"]


def _daily_folders(provider_uri: Any) -> Iterator[tuple[Path, pd.DatetimeIndex]]:
    for folder in folders_of(provider_uri).values():
        calendar = folder / "calendars" / "day.txt"
        if calendar.exists():
            yield folder, pd.DatetimeIndex(calendar.read_text().split(), name="datetime")


def _read_files(folder: Path) -> Iterator[tuple[str, int, Values]]:
    """Instrument, position of its first day, and closes."""
    for file in sorted((folder / "features").glob(f"*/{_FILE}")):
        content = np.fromfile(file, dtype="<f4")
        if len(content):
            yield file.parent.name.upper(), int(content[0]), content[1:].astype("float64")
