"""A table on disk, computed once, mapped into every process that reads it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from wf_dagster.log_once import warn_once
from wf_dagster.tables.parquet_reader import read_parquet

_log = logging.getLogger(__name__)

LIMIT_BYTES = 4 << 30
IN_USE_SECONDS = 3600
ABANDONED_SECONDS = 24 * 3600
PART = ".part-"  # how the names of folders that are being written start
VALUES = "values.npy"


@dataclass(frozen=True)
class Table:
    """Rows, named columns, values of shape ``(rows, columns)``; a note that belongs to them.

    The values may be in a file of that name in a folder of their own, which the cache then takes.
    """

    index: pd.MultiIndex
    columns: list[tuple[str, str]]
    values: np.ndarray[Any, Any]
    note: bytes = b""
    folder: Path | None = None


class TableCache:
    """The tables of one folder.

    Args:
        folder: It is made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str, compute: Callable[[], Table]) -> Table:
        """The table of a key; computed when it is not there, by one process at a time."""
        entry = self.folder / key
        if table := _open(entry):
            return table
        with FileLock(entry.with_name(f"{key}.lock")):
            if table := _open(entry):
                return table
            table = compute()
            _write(entry, table)
            _make_room(self.folder, keep=entry)
            return _open(entry) or table  # another process may have made room as well

    def find(self, key: str) -> Table | None:
        """The table of a key, if it is there."""
        return _open(self.folder / key)

    def keys(self, prefix: str) -> list[str]:
        """The keys of tables that start so."""
        return sorted(e.name for e in self.folder.glob(f"{prefix}*") if e.suffix != ".lock")


def copy_values(table: Table) -> np.ndarray[Any, Any]:
    """The values, to be changed in place by this caller alone; pages are shared until then."""
    file = getattr(table.values, "filename", None)
    values: np.ndarray[Any, Any]
    try:
        values = table.values.copy(order="K") if file is None else np.load(file, mmap_mode="c")
    except OSError:  # another process made room
        values = table.values.copy(order="K")
    return values


def read(table: Table, rows: slice, columns: slice) -> np.ndarray[Any, Any]:
    """Some rows of neighbouring columns, in memory of the caller's own.

    Of a table that is kept column by column nothing is mapped: the kernel may map far more of a
    file than is asked for.
    """
    values = table.values
    shape = rows.stop - rows.start, columns.stop - columns.start
    block: np.ndarray[Any, Any] = np.empty(shape, values.dtype, order="F")
    if isinstance(values, np.memmap) and values.flags.f_contiguous:
        try:
            with Path(str(values.filename)).open("rb", buffering=0) as source:
                for number, column in enumerate(block.T, columns.start):
                    place = number * len(values) + rows.start
                    source.seek(values.offset + place * values.itemsize)
                    if source.readinto(column) != column.nbytes:
                        raise OSError(f"{values.filename} is too short")
            return block
        except OSError:  # another process made room; what is mapped can still be read
            pass
    np.copyto(block, values[rows, columns])
    return block


def discard_file(table: Table) -> None:
    """Remove the file of a table that the cache is not to take after all."""
    if table.folder is not None:
        shutil.rmtree(table.folder, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a small file at once: a reader sees the old text or the new one."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=PART, delete=False) as part:
        part.write(text)
    Path(part.name).replace(path)


def _open(entry: Path) -> Table | None:
    try:
        table = _map(entry, (entry / VALUES).stat().st_mtime_ns)
    except (OSError, EOFError, ValueError):  # not there, or damaged: it is computed again
        return None
    with contextlib.suppress(OSError):
        os.utime(entry)  # what is used last is removed last
    return table


@lru_cache(maxsize=8)
def _map(entry: Path, _stamp: int) -> Table:
    values = np.load(entry / VALUES, mmap_mode="r")
    frame = read_parquet(entry / "index.parquet")
    columns = [(group, name) for group, name in json.loads((entry / "columns.json").read_text())]
    if values.shape != (len(frame), len(columns)):
        raise ValueError("index and columns do not belong to the values")
    note = entry / "note"
    return Table(
        pd.MultiIndex.from_frame(frame),
        columns,
        values,
        note.read_bytes() if note.exists() else b"",
    )


def _write(entry: Path, table: Table) -> None:
    part = table.folder or Path(tempfile.mkdtemp(dir=entry.parent, prefix=PART))
    try:
        if table.folder is None:
            values = table.values  # kept column by column where they are so: sums depend on it
            whole = values.flags.c_contiguous or values.flags.f_contiguous
            np.save(part / VALUES, values if whole else np.ascontiguousarray(values))
        table.index.to_frame(index=False).to_parquet(part / "index.parquet")
        (part / "columns.json").write_text(json.dumps(table.columns))
        if table.note:
            (part / "note").write_bytes(table.note)
        if entry.exists():
            shutil.rmtree(entry)
        part.replace(entry)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _make_room(folder: Path, keep: Path) -> None:
    """Remove what killed processes left half written, and the entries unused for longest.

    What was used a short while ago stays, even above the limit: a job whose tables are larger
    would compute them again for each roll.
    """
    entries = []
    for entry in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process removed it
            if entry.is_dir():
                entries.append((time.time() - entry.stat().st_mtime, _size(entry), entry))
    total, left = 0, 0
    for unused, size, entry in sorted(entries):
        if entry.name.startswith(PART):
            if unused > ABANDONED_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)
            continue
        total += size
        if total > LIMIT_BYTES and entry != keep and unused > IN_USE_SECONDS:
            shutil.rmtree(entry, ignore_errors=True)  # a mapped file stays readable until closed
        else:
            left += size
    if left > LIMIT_BYTES:
        warn_once(
            _log,
            f"{folder} holds more than {LIMIT_BYTES / 2**30:g} GB: tables that were used in the "
            "last hour stay; the folder may be removed when nothing runs",
        )


def _size(entry: Path) -> int:
    return sum(file.stat().st_size for file in entry.iterdir())
