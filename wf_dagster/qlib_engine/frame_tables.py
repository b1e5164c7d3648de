"""Frames of Qlib's as tables of the cache, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

from wf_dagster.tables import cache
from wf_dagster.tables.cache import Table

_ROWS = ["datetime", "instrument"]


class UnsuitableError(Exception):
    """A frame that a table cannot hold as it is."""

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__()
        self.frame = frame


def to_table(frame: pd.DataFrame) -> Table:
    """A frame as a table.

    Raises:
        UnsuitableError: Its rows or columns are no pairs, or its values of several types.
    """
    if not fits_table(frame):
        raise UnsuitableError(frame)
    # column by column, as Qlib holds them: sums of floats depend on the order
    values = np.asfortranarray(frame.to_numpy())
    return Table(cast(pd.MultiIndex, frame.index), column_names(frame.columns), values)


def fits_table(frame: pd.DataFrame) -> bool:
    """Whether a table can hold a frame as it is."""
    dtypes = set(frame.dtypes)
    has_pairs = list(frame.index.names) == _ROWS and frame.columns.nlevels == 2
    has_floats = len(dtypes) == 1 and next(iter(dtypes)).kind == "f"
    return (
        has_pairs
        and has_floats
        and all(isinstance(part, str) for pair in frame.columns for part in pair)
    )


def column_names(columns: pd.Index) -> list[tuple[str, str]]:
    """The columns of a frame as a table names them."""
    return [(pair[0], pair[1]) for pair in columns]


def to_tables(frame: pd.DataFrame) -> list[Table]:
    """A frame as tables of one type each, the columns in their order.

    Raises:
        UnsuitableError: Its rows or columns are no pairs, or its values no floats.
    """
    return [to_table(frame.iloc[:, first:last]) for first, last in runs_of_dtype(frame)]


def runs_of_dtype(frame: pd.DataFrame) -> list[tuple[int, int]]:
    """Where neighbouring columns of one type start and end."""
    dtypes = frame.dtypes.to_numpy()
    starts = [n for n in range(len(dtypes)) if n == 0 or dtypes[n] != dtypes[n - 1]]
    return list(zip(starts, [*starts[1:], len(dtypes)], strict=True))


def read_frame(tables: Sequence[Table], rows: slice, columns: slice) -> pd.DataFrame:
    """Some rows of neighbouring columns of the tables as a frame of the caller's own."""
    index = tables[0].index[rows]
    parts, first = [], 0
    for table in tables:
        wanted = slice(max(columns.start - first, 0), min(columns.stop - first, len(table.columns)))
        first += len(table.columns)
        if wanted.start < wanted.stop:
            names = pd.MultiIndex.from_tuples(table.columns[wanted])
            values = cache.read(table, rows, wanted)
            parts.append(pd.DataFrame(values, index=index, columns=names, copy=False))
    return parts[0] if len(parts) == 1 else pd.concat(parts, axis=1, copy=False)


def to_frame(
    *tables: Table, start: pd.Timestamp | None = None, end: pd.Timestamp | None = None
) -> pd.DataFrame:
    """The rows from ``start`` to ``end`` as a frame; a change in place is this frame's alone."""
    rows = rows_between(tables[0].index, start, end)
    index = tables[0].index[rows]
    parts = [
        pd.DataFrame(
            cache.copy_values(table)[rows].view(np.ndarray),
            index=index,
            columns=pd.MultiIndex.from_tuples(table.columns),
            copy=False,
        )
        for table in tables
    ]
    return parts[0] if len(parts) == 1 else pd.concat(parts, axis=1, copy=False)


def rows_between(
    index: pd.MultiIndex, start: pd.Timestamp | None, end: pd.Timestamp | None
) -> slice:
    """The rows of a table from ``start`` to ``end``."""
    days, places = index.levels[0], index.codes[0]
    first, last = 0, len(index)
    if start is not None:
        first = int(np.searchsorted(places, days.searchsorted(start)))
    if end is not None:
        last = int(np.searchsorted(places, days.searchsorted(end, side="right")))
    return slice(first, max(first, last))
