"""The processed data of a handler, of which a segment is cut out before columns are chosen."""

from __future__ import annotations

from typing import Any

import pandas as pd
from qlib.data.dataset.storage import NaiveDFStorage
from qlib.data.dataset.utils import fetch_df_by_col

_EVERYTHING = slice(None)


class RowsFirst(NaiveDFStorage):  # type: ignore[misc]
    """Gives what Qlib's own storage gives, but copies a segment's rows and not all rows for it.

    To what reads a handler's frames directly it looks like the frame.

    Args:
        frame: Sorted rows ``(datetime, instrument)``.
    """

    def __getattr__(self, name: str) -> Any:
        if name == "df":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.df, name)

    def __getitem__(self, key: Any) -> Any:
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
        if level != "datetime" or not isinstance(days, slice) or days == _EVERYTHING:
            found: pd.DataFrame = super().fetch(selector, level, col_set, fetch_orig)
            return found
        segment: pd.DataFrame = fetch_df_by_col(self.df.iloc[self._rows(days)], col_set)
        return segment if isinstance(col_set, list) else segment.copy()  # a list has copied them

    def _rows(self, days: slice) -> slice:
        index = self.df.index
        places = index.levels[0].slice_indexer(days.start, days.stop, days.step)
        first, last = (index.codes[0].searchsorted(n) for n in (places.start, places.stop))
        return slice(first, last)
