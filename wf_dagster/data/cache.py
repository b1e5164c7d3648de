"""A table on disk, computed once, mapped into every process that reads it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from wf_dagster.settings import get_settings

LIMIT_BYTES = 4 << 30


@dataclass(frozen=True)
class Table:
    """Rows, named columns, values of shape ``(rows, columns)``."""

    index: pd.MultiIndex
    columns: list[tuple[str, str]]
    values: np.ndarray[Any, Any]


def get(key: str, compute: Callable[[], Table]) -> Table:
    """The table of a key; computed when it is not there, by one process at a time."""
    folder = get_settings().make_home() / "cache" / "features"
    entry = folder / key
    if not (found := _opened(entry)):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            if not (found := _opened(entry)):
                _write(entry, compute())
                _make_room(folder, keep=entry)
                found = _opened(entry)
    assert found is not None, f"the cache entry {entry} vanished as it was written"
    return found


def _opened(entry: Path) -> Table | None:
    try:
        stamp = (entry / "values.npy").stat().st_mtime_ns
        return _mapped(entry, stamp)
    except (OSError, ValueError):  # not there, or damaged: it is computed again
        return None


@lru_cache(maxsize=4)
def _mapped(entry: Path, _stamp: int) -> Table:
    values = np.load(entry / "values.npy", mmap_mode="r")
    frame = pd.read_parquet(entry / "index.parquet")
    if len(frame) != len(values):
        raise ValueError("the index does not belong to the values")
    columns = [tuple(name.split("\t", 1)) for name in (entry / "columns").read_text().splitlines()]
    os.utime(entry)  # what is used last is removed last
    return Table(
        pd.MultiIndex.from_frame(frame.reset_index(drop=True)),
        columns,  # type: ignore[arg-type]
        values,
    )


def _write(entry: Path, table: Table) -> None:
    part = Path(tempfile.mkdtemp(dir=entry.parent, prefix=".part-"))
    try:
        np.save(part / "values.npy", np.ascontiguousarray(table.values))
        table.index.to_frame(index=False).to_parquet(part / "index.parquet")
        (part / "columns").write_text("\n".join("\t".join(c) for c in table.columns))
        if entry.exists():
            shutil.rmtree(entry)
        part.replace(entry)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _make_room(folder: Path, keep: Path) -> None:
    entries = [e for e in folder.iterdir() if e.is_dir() and not e.name.startswith(".")]
    entries.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    total = 0
    for entry in entries:
        total += sum(file.stat().st_size for file in entry.iterdir())
        if total > LIMIT_BYTES and entry != keep:
            shutil.rmtree(entry, ignore_errors=True)  # a mapped file stays readable until closed
