"""Frames from Parquet, with a short way for the common kind: floats by day and instrument.

pyarrow rebuilds a ``MultiIndex`` by hashing the labels of all rows in Python, which is most of the
time of reading hundreds of small frames. The short way encodes them in Arrow.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def read_frame(content: bytes) -> tuple[pd.DataFrame, dict[bytes, bytes]]:
    """The frame of a Parquet file, and the metadata of its schema."""
    # one thread: frames are small, and whoever reads many of them has threads of their own
    table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    metadata = table.schema.metadata or {}
    rows = _row_levels(table, json.loads(metadata.get(b"pandas", b"{}")))
    frame = table.to_pandas(use_threads=False) if rows is None else _to_frame(table, rows)
    return frame, metadata


def _row_levels(table: Any, description: dict[str, Any]) -> list[str] | None:
    """Names of the row levels, if the short way gives what the long one would."""
    rows: list[str] = description.get("index_columns", [])
    if len(rows) != 2 or not all(isinstance(name, str) for name in rows):
        return None
    if description.get("attributes") or [
        index["name"] for index in description["column_indexes"]
    ] != [None]:
        return None
    # a level without a name stands under a made-up one
    types = {
        c["field_name"]: c["numpy_type"] for c in description["columns"] if c["name"] is not None
    }
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name not in rows:
            is_usual = types.get(name) == "float64"
        else:
            is_text = pa.types.is_string(column.type) and types.get(name) == "object"
            is_day = pa.types.is_timestamp(column.type) and column.type.tz is None
            is_usual = (is_text or is_day) and name in types and not column.null_count
        if not is_usual:
            return None
    return rows


def _to_frame(table: Any, rows: list[str]) -> pd.DataFrame:
    levels, codes = [], []
    for name in rows:
        column = table.column(name).combine_chunks().dictionary_encode()
        level = pd.Index(column.dictionary.to_pandas())
        order = np.argsort(level.to_numpy(), kind="stable")
        place = np.empty(len(order), dtype="int64")
        place[order] = np.arange(len(order))
        levels.append(level[order])
        codes.append(place[column.indices.to_numpy()])
    index = pd.MultiIndex(levels, codes, names=rows, verify_integrity=False)
    values = {
        name: table.column(name).to_numpy() for name in table.column_names if name not in rows
    }
    return pd.DataFrame(values, index)
