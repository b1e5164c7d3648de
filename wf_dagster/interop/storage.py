"""Processed data of a handler that are there as what they are made from, or made when needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from qlib.data.dataset.storage import NaiveDFStorage
from qlib.data.dataset.utils import fetch_df_by_col

_EVERYTHING = slice(None)


class _LikeFrame(NaiveDFStorage):  # type: ignore[misc]
    """To what reads a handler's frames directly it looks like the frame."""

    def __getattr__(self, name: str) -> Any:
        if name == "df":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.df, name)

    def __len__(self) -> int:
        return len(self.df)


class RowsFirst(_LikeFrame):
    """Gives what Qlib's own storage gives, but copies a segment's rows and not all rows for it.

    Args:
        frame: Sorted rows ``(datetime, instrument)``.
    """

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


class Later(_LikeFrame):
    """Processed data that are made when they are first asked for.

    Args:
        make: Gives the frame.
    """

    def __init__(self, make: Callable[[], pd.DataFrame]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name == "df" and "_make" in vars(self):
            self.df = self._make()
            return self.df
        return super().__getattr__(name)

    def __reduce__(self) -> Any:
        return NaiveDFStorage, (self.df,)

    def copy(self) -> Later:
        """A copy, to be made later as well."""
        return Later(lambda: self.df.copy())
