"""The processed data of a handler, of which a segment is cut out before columns are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from qlib.data.dataset.storage import NaiveDFStorage
from qlib.data.dataset.utils import fetch_df_by_col

from wf_dagster.qlib_engine.frame_tables import read_frame, to_frame
from wf_dagster.tables.cache import Table

_EVERYTHING = slice(None)
_ONLY_READ = ("columns", "dtypes", "empty", "head", "index", "shape")


class SegmentStorage(NaiveDFStorage):  # type: ignore[misc]
    """Gives what Qlib's own storage gives, but reads a segment's rows and nothing else.

    To what reads a handler's frames directly it looks like the frame.

    Args:
        tables: What the frame consists of; sorted rows ``(datetime, instrument)``.
    """

    # The frame's data as long as nobody has had the frame, which may be changed in place.
    _tables: Sequence[Table] = ()

    def __init__(self, tables: Sequence[Table]) -> None:
        super().__init__(to_frame(*tables))
        self._tables = tables

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": ()}  # a pickle holds the frame

    def __getattr__(self, name: str) -> Any:
        if name == "df":  # while it is unpickled
            raise AttributeError(name)
        if name not in _ONLY_READ:
            self._tables = ()
        return getattr(self.df, name)

    def __getitem__(self, key: Any) -> Any:
        self._tables = ()
        return self.df[key]

    def __len__(self) -> int:
        return len(self.df)

    def fetch(
        self,
        selector: Any = _EVERYTHING,
        level: Any = "datetime",
        col_set: Any = "__all",
        fetch_orig: bool = True,
    ) -> pd.DataFrame:
        """The rows of a segment, some or all columns; a change in place is the caller's alone."""
        days = slice(*selector) if isinstance(selector, (tuple, list)) else selector
        is_segment = isinstance(days, slice) and days != _EVERYTHING and days.step is None
        if level != "datetime" or not is_segment:
            self._tables = ()
            by_qlib: pd.DataFrame = super().fetch(selector, level, col_set, fetch_orig)
            return by_qlib
        rows = self._rows(days)
        # which columns Qlib would choose, seen on a row that holds their places
        places = pd.DataFrame(np.arange(self.df.shape[1])[None], columns=self.df.columns)
        columns = fetch_df_by_col(places, col_set)
        order = columns.to_numpy()[0].tolist() if isinstance(columns, pd.DataFrame) else []
        if self._tables and order and order == list(range(order[0], order[0] + len(order))):
            segment = read_frame(self._tables, rows, slice(order[0], order[-1] + 1))
            segment.columns = columns.columns
            return segment
        selected: pd.DataFrame = fetch_df_by_col(self.df.iloc[rows], col_set)
        return selected if isinstance(col_set, list) else selected.copy()  # a list has copied them

    def _rows(self, days: slice) -> slice:
        index = self.df.index
        places = index.levels[0].slice_indexer(days.start, days.stop)
        first, last = (int(index.codes[0].searchsorted(n)) for n in (places.start, places.stop))
        return slice(first, max(first, last))
