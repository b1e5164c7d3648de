"""Frames and series as Parquet, with index, dtypes and attrs as they were."""

from __future__ import annotations

import io
import json
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

MAGIC = b"PAR1"
_OURS = b"wf_pandas"
_PLAIN_KINDS = "biufMm"


def to_parquet(value: pd.DataFrame | pd.Series) -> bytes | None:
    """The bytes; ``None`` if Parquet cannot give the value back unchanged."""
    if type(value) not in (pd.DataFrame, pd.Series):
        return None
    frame = value.to_frame("value") if isinstance(value, pd.Series) else value
    try:
        note = _note(value)
        if note is None or not _plain(frame):
            return None
        return _written(frame, note) if _comes_back(_shape(frame), frame.iloc[:3]) else None
    except (TypeError, ValueError, OverflowError):  # pyarrow's own errors are among these
        return None


def from_parquet(content: bytes) -> Any:
    """The frame or series."""
    from wf_dagster.tracking.frames import read_frame

    frame, metadata = read_frame(content)
    held = metadata.get(_OURS)
    if held is None:  # a file that somebody else wrote
        return frame
    note = json.loads(held)
    if note["freq"] is not None:
        frame.index.freq = note["freq"]  # type: ignore[attr-defined]  # a DatetimeIndex, say
    value = frame["value"].rename(note["name"]) if note["series"] else frame
    value.attrs = note["attrs"]
    return value


def _note(value: Any) -> str | None:
    """What Parquet has no place for."""
    series = isinstance(value, pd.Series)
    name = value.name if series else None
    if not (name is None or type(name) in (str, int)) or not value.flags.allows_duplicate_labels:
        return None
    freq = getattr(value.index, "freqstr", None)
    note = {"series": series, "name": name, "freq": freq, "attrs": dict(value.attrs)}
    text = json.dumps(note)
    return text if _exactly(json.loads(text), note) else None


def _exactly(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down: 1 is not True, (1,) is not [1]."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_exactly(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_exactly, one, other))
    return bool(one == other)


def _plain(frame: pd.DataFrame) -> bool:
    names = frame.columns
    if type(names) is not pd.Index or not names.is_unique or names.dtype.kind != "O":
        return False
    if not all(type(name) is str for name in names) or not _label(names.name):
        return False
    levels = frame.index.levels if isinstance(frame.index, pd.MultiIndex) else [frame.index]
    if not all(_label(name) for name in frame.index.names):
        return False
    if any(level.hasnans for level in levels) or _holes(frame.index):
        return False
    return all(_plain_values(level) for level in levels) and all(
        _plain_values(frame.iloc[:, place]) for place in range(frame.shape[1])
    )


def _label(name: Any) -> bool:
    return name is None or type(name) is str


def _holes(index: pd.Index) -> bool:
    return isinstance(index, pd.MultiIndex) and any((codes < 0).any() for codes in index.codes)


def _plain_values(values: Any) -> bool:
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _plain_values(dtype.categories)
    if dtype.kind == "O" and isinstance(
        dtype, np.dtype
    ):  # missing values come back as another kind of missing
        return infer_dtype(values, skipna=False) == "string"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return True
    return isinstance(dtype, np.dtype) and dtype.kind in _PLAIN_KINDS


def _shape(frame: pd.DataFrame) -> tuple[Any, ...]:
    """All that decides whether a frame of plain values comes back as it was."""
    index = frame.index
    levels = index.levels if isinstance(index, pd.MultiIndex) else [index]
    return (
        tuple(frame.columns),
        frame.columns.name,
        tuple(_kind(frame.iloc[:, place]) for place in range(frame.shape[1])),
        type(index),
        tuple(index.names),
        tuple(_kind(level) for level in levels),
        len(frame) == 0,
    )


def _kind(values: Any) -> str:
    dtype = values.dtype
    if not isinstance(dtype, pd.CategoricalDtype):
        return f"{type(values).__name__} {dtype}"
    return f"category {dtype.categories.dtype} {dtype.ordered} {len(dtype.categories) == 0}"


class _Sample:
    """A few rows that ride along with a shape without being part of the cache's key."""

    def __init__(self, shape: tuple[Any, ...], rows: pd.DataFrame) -> None:
        self.shape, self.rows = shape, rows

    def __hash__(self) -> int:
        return hash(self.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sample) and self.shape == other.shape


def _comes_back(shape: tuple[Any, ...], rows: pd.DataFrame) -> bool:
    return _tried(_Sample(shape, rows))


@lru_cache(maxsize=256)
def _tried(sample: _Sample) -> bool:
    """Write and read a few rows of this shape, once a process."""
    rows = sample.rows
    back = from_parquet(_written(rows, None))
    try:
        pd.testing.assert_frame_equal(back, rows, check_freq=False, check_column_type=True)
    except AssertionError:
        return False
    return type(back.index) is type(rows.index) and _shape(back) == _shape(rows)


def _written(frame: pd.DataFrame, note: str | None) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=None)
    metadata = dict(table.schema.metadata or {})
    if note is not None:
        metadata[_OURS] = note.encode()
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), sink, compression="zstd")
    return sink.getvalue()
