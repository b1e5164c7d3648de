"""Qlib's data on disk: whether they are there, for which frequencies, and their version."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import DataError, SettingsError

if TYPE_CHECKING:
    import pandas as pd

DEFAULT = "__DEFAULT_FREQ"  # Qlib's key for the folder of all frequencies
_DAY = "day"
_REMOTE = re.compile(r"^[^/\\]{2,}:.+")  # host:/folder, but not C:\folder
_PARTS = ("calendars", "instruments", "features", "financial")


def folders_of(provider_uri: Any) -> dict[str, Path]:
    """The folders of a ``provider_uri`` by frequency; those of other machines are left out."""
    by_freq = provider_uri if isinstance(provider_uri, Mapping) else {DEFAULT: provider_uri}
    return {
        str(freq): Path(uri).expanduser().resolve()
        for freq, uri in by_freq.items()
        if not _REMOTE.match(str(uri))
    }


def folders_serving(provider_uri: Any, freq: str) -> dict[str, Path]:
    """The folders that Qlib reads data of a frequency from; of another one it needs none.

    Args:
        provider_uri: A folder, or folders by frequency.
        freq: Such as ``"day"`` or ``"30min"``.
    """
    if not isinstance(provider_uri, Mapping):
        return folders_of(provider_uri)
    own = {key: uri for key, uri in provider_uri.items() if _minutes(key) == _minutes(freq)}
    default = {key: uri for key, uri in provider_uri.items() if key == DEFAULT}
    return folders_of(own or default or provider_uri)


def check_folders(provider_uri: Any, freqs: Iterable[str] | None = None) -> None:
    """Make sure that there are data.

    Args:
        provider_uri: A folder, or folders by frequency.
        freqs: Whose folders; without them it is enough that one of the folders holds data, as
            Qlib looks into the others when it is asked for their frequencies.

    Raises:
        SettingsError: A folder is missing, or holds no calendar, instruments or features.
    """
    if freqs is not None:
        for freq in freqs:
            for folder in folders_serving(provider_uri, freq).values():
                _check_folder(folder)
        return
    errors = []
    for folder in folders_of(provider_uri).values():
        try:
            _check_folder(folder)
        except SettingsError as error:
            errors.append(error)
        else:
            return
    if errors:
        raise errors[0]


def _check_folder(folder: Path) -> None:
    where = f"qlib_provider_uri (WF_QLIB_PROVIDER_URI) = {str(folder)!r}"
    if not folder.is_dir():
        raise SettingsError(
            f"{where} is no folder: give the one that holds Qlib's calendars, instruments and "
            "features"
        )
    for part in _PARTS[:3]:
        if not (folder / part).is_dir() or not any((folder / part).iterdir()):
            raise SettingsError(
                f"{where} has no {part}: Qlib's data are folders calendars, instruments and "
                "features, as its scripts write them"
            )


def list_frequencies(folder: Path) -> list[str]:
    """The frequencies that a folder has calendars of."""
    names = [path.stem for path in (folder / "calendars").glob("*.txt")]
    return sorted(name for name in names if not name.endswith("_future"))


def check_frequency(provider_uri: Any, freq: str) -> None:
    """Make sure that there are data of a frequency, or of one that Qlib resamples to it.

    Raises:
        DataError: There are none.
    """
    for folder in folders_serving(provider_uri, freq).values():
        available = list_frequencies(folder)
        if available and not any(_serves(name, freq) for name in available):
            raise DataError(
                f"the data in {str(folder)!r} are of the frequency {', '.join(available)}, and the "
                f"handler asks for {freq!r}: change the handler's freq, or qlib_provider_uri "
                "(WF_QLIB_PROVIDER_URI)"
            )


def is_intraday(freq: str) -> bool:
    """Whether a frequency is that of bars within days."""
    return 0 < _minutes(freq) < _minutes(_DAY)


def data_version(provider_uri: Any) -> str:
    """A digest of what the data look like now: names, sizes and times of all files."""
    digest = hashlib.sha256()
    for freq, folder in sorted(folders_of(provider_uri).items()):
        digest.update(f"{freq} {folder}\n".encode())
        for part in _PARTS:
            for line in _files(folder / part):
                digest.update(line.encode())
    return digest.hexdigest()


def content_digest(provider_uri: Any, until: pd.Timestamp) -> str:
    """Identifies the daily values up to a session; the same when later ones come."""
    import numpy as np  # slow to import

    digest = hashlib.sha256()
    for folder in folders_of(provider_uri).values():
        calendar = folder / "calendars" / f"{_DAY}.txt"
        if not calendar.exists():
            continue
        days = np.array(calendar.read_text().split(), dtype="datetime64[D]")
        sessions = int(np.searchsorted(days, np.datetime64(until, "D"), side="right"))
        for file in sorted((folder / "features").glob(f"*/*.{_DAY}.bin")):
            values = np.fromfile(file, dtype="<f4")
            start, rest = values[:1], values[1:]
            rest = rest[: max(sessions - int(start[0]), 0)] if len(start) else rest
            filled = np.flatnonzero(~np.isnan(rest))
            if len(filled):  # what is empty at the end is written when a later day comes
                name = f"{file.parent.name}/{file.name}"
                digest.update(name.encode() + start.tobytes() + rest[: filled[-1] + 1].tobytes())
    return digest.hexdigest()[:16]


def _files(folder: Path) -> list[str]:
    lines, waiting = [], [str(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except FileNotFoundError:
            continue
        for entry in entries:
            if entry.is_dir():
                waiting.append(entry.path)
            else:
                stat = entry.stat()
                lines.append(f"{entry.path} {stat.st_size} {stat.st_mtime_ns}\n")
    return sorted(lines)


def _serves(available: str, wanted: str) -> bool:
    return _minutes(available) <= _minutes(wanted)


def _minutes(freq: str) -> float:
    parts = re.fullmatch(r"(\d*)\s*([a-z]+)", freq.lower())
    if not parts:
        return 0.0
    units = {"min": 1, "minute": 1, "d": 1440, "day": 1440, "w": 10080, "week": 10080}
    units |= {"m": 43200, "mon": 43200, "month": 43200}
    return int(parts[1] or 1) * units.get(parts[2], 0)
