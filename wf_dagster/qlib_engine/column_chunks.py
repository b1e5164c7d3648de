"""Raw data of some instruments each, put together column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from wf_dagster.qlib_engine.frame_tables import column_names, fits_table
from wf_dagster.tables.cache import Table
from wf_dagster.tables.writer import TableWriter

_BLOCK = 16 << 20  # bytes of columns that are put together at a time


@dataclass(frozen=True)
class ColumnChunk:
    """A frame whose values are in a file, column after column."""

    index: pd.MultiIndex
    columns: pd.Index
    dtype: np.dtype[Any]
    file: Path

    @classmethod
    def of(cls, frame: pd.DataFrame, file: Path) -> ColumnChunk | None:
        """Write the values of a frame; ``None`` if it is none that a table can hold."""
        if not fits_table(frame):
            return None
        frame.to_numpy().T.tofile(file)
        return cls(cast(pd.MultiIndex, frame.index), frame.columns, frame.dtypes.iloc[0], file)

    def read(self, first: int, last: int) -> np.ndarray[Any, Any]:
        """Some columns, shape ``(columns, rows)``."""
        rows = len(self.index)
        values = np.fromfile(
            self.file, self.dtype, rows * (last - first), offset=rows * first * self.dtype.itemsize
        )
        return values.reshape(last - first, rows)

    def frame(self) -> pd.DataFrame:
        """The frame."""
        values = self.read(0, len(self.columns)).T
        return pd.DataFrame(values, index=self.index, columns=self.columns, copy=False)


def are_alike(chunks: Sequence[ColumnChunk]) -> bool:
    """Whether they have the same columns, of one type."""
    return len({chunk.dtype for chunk in chunks}) == 1 and all(
        chunk.columns.equals(chunks[0].columns) for chunk in chunks
    )


def join_chunks(chunks: Sequence[ColumnChunk], folder: Path) -> Table:
    """Chunks of different instruments as one table, sorted.

    Args:
        chunks: They are alike and have rows.
        folder: Where the table is written; that of the cache that is to take it.
    """
    index = chunks[0].index.append([chunk.index for chunk in chunks[1:]])
    order = index.argsort()  # unique: each instrument is in one chunk
    columns, dtype = column_names(chunks[0].columns), chunks[0].dtype
    size = max(1, _BLOCK // max(1, len(order) * dtype.itemsize))
    with TableWriter(len(order), dtype, folder) as writer:
        for first in range(0, len(columns), size):
            last = min(first + size, len(columns))
            rows = np.concatenate([chunk.read(first, last) for chunk in chunks], axis=1)
            writer.add(rows.take(order, axis=1).T, columns[first:last])
        return writer.table(index.take(order))
