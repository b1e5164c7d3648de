"""Raw data of some instruments each, put together column by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from wf_dagster.qlib_engine.frame_tables import named, suits
from wf_dagster.tables import cache
from wf_dagster.tables.writer import TableWriter

_BLOCK = 16 << 20  # bytes of columns that are put together at a time


@dataclass(frozen=True)
class Piece:
    """A frame whose values are in a file, column after column."""

    index: pd.MultiIndex
    columns: pd.Index
    dtype: np.dtype[Any]
    file: Path

    @classmethod
    def of(cls, frame: pd.DataFrame, file: Path) -> Piece | None:
        """Write the values of a frame; ``None`` if it is none that a table can hold."""
        if not suits(frame):
            return None
        frame.to_numpy().T.tofile(file)
        return cls(cast(pd.MultiIndex, frame.index), frame.columns, frame.dtypes.iloc[0], file)

    def read(self, first: int, last: int) -> np.ndarray[Any, Any]:
        """Some columns, shape ``(columns, rows)``."""
        each = len(self.index)
        values = np.fromfile(
            self.file, self.dtype, each * (last - first), offset=each * first * self.dtype.itemsize
        )
        return values.reshape(last - first, each)

    def frame(self) -> pd.DataFrame:
        """The frame."""
        values = self.read(0, len(self.columns)).T
        return pd.DataFrame(values, index=self.index, columns=self.columns, copy=False)


def are_alike(pieces: Sequence[Piece]) -> bool:
    """Whether they have the same columns, of one type."""
    return len({piece.dtype for piece in pieces}) == 1 and all(
        piece.columns.equals(pieces[0].columns) for piece in pieces
    )


def together(pieces: Sequence[Piece]) -> cache.Table:
    """Pieces of different instruments as one table, sorted.

    Args:
        pieces: They are alike and have rows.
    """
    index = pieces[0].index.append([piece.index for piece in pieces[1:]])
    order = index.argsort()  # unique: each instrument is in one piece
    columns, kind = named(pieces[0].columns), pieces[0].dtype
    size = max(1, _BLOCK // max(1, len(order) * kind.itemsize))
    with TableWriter(len(order), kind) as spool:
        for first in range(0, len(columns), size):
            last = min(first + size, len(columns))
            rows = np.concatenate([piece.read(first, last) for piece in pieces], axis=1)
            spool.add(rows.take(order, axis=1).T, columns[first:last])
        return spool.table(index.take(order))
