"""Values of many instruments end to end in one vector, and windows that stay inside one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.indexers import BaseIndexer
from qlib.data.base import Expression, Feature

Values = np.ndarray[Any, np.dtype[Any]]


class UnlikeError(Exception):
    """Series that do not lie side by side: Qlib aligns them itself."""


class Recorded:
    """What was recorded of instruments, read once over the widest range."""

    def __init__(
        self, names: Sequence[str], freq: str, leaves: Sequence[str], widest: tuple[int, int]
    ) -> None:
        self.names = names
        self.freq = freq
        self._series = {
            leaf: [Feature(leaf).load(name, *widest, freq) for name in names] for leaf in leaves
        }
        longest = [max(leaves, key=len) for leaves in zip(*self._series.values(), strict=True)]
        self.first = np.array([s.index[0] if len(s) else 0 for s in longest], dtype=np.int64)
        self.lengths = np.array([len(series) for series in longest], dtype=np.int64)

    def series(self, leaf: Any, begin: int, stop: int) -> list[pd.Series[Any]]:
        """A series an instrument, its index the place in the calendar.

        Raises:
            UnlikeError: The name was not found in the expressions' text.
        """
        by_instrument = self._series.get(str(leaf)[1:])
        if by_instrument is None:
            raise UnlikeError
        return [series.loc[begin:stop] for series in by_instrument]


Compute = Callable[["Batch", Any], Values]


class Batch:
    """The values of expressions between two places of the calendar, instruments end to end.

    Args:
        recorded: The instruments and what was recorded of them.
        begin: First place in the calendar.
        stop: Last place.
        compute: Gives the values of an expression from those of its parts.
    """

    def __init__(self, recorded: Recorded, begin: int, stop: int, compute: Compute) -> None:
        self.recorded, self.begin, self.stop = recorded, begin, stop
        self._compute = compute
        self.starts: Values = np.maximum(recorded.first, begin)
        lengths = np.minimum(recorded.first + recorded.lengths, stop + 1) - self.starts
        self.offsets: Values = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))])
        self._values: dict[str, Values] = {}
        self._windows: dict[int, Window] = {}

    def values(self, node: Any) -> Any:
        """The values of an expression; a number as it is.

        Raises:
            UnlikeError: A part of it has other rows than the instruments.
        """
        if not isinstance(node, Expression):
            return node
        name = str(node)
        if name not in self._values:
            with np.errstate(all="ignore"):
                values = self._compute(self, node)
            if not isinstance(values, np.ndarray):  # of numbers alone
                raise UnlikeError
            self._values[name] = values
        return self._values[name]

    def concatenate(self, series: Sequence[pd.Series[Any]]) -> Values:
        """Series of the instruments end to end.

        Raises:
            UnlikeError: They have other rows than the instruments.
        """
        lengths = np.array([len(s) for s in series])
        starts = np.array([s.index[0] if len(s) else 0 for s in series])
        stops = np.array([s.index[-1] + 1 if len(s) else 0 for s in series])
        filled = lengths > 0
        dtypes = {s.dtype for s in series if len(s)}
        if (
            not np.array_equal(lengths, np.diff(self.offsets))
            or not np.array_equal(starts[filled], self.starts[filled])
            or not np.array_equal(stops - starts, lengths)
            or len(dtypes) > 1
            or any(dtype.kind not in "fb" for dtype in dtypes)
        ):
            raise UnlikeError
        return np.concatenate([s.to_numpy() for s in series if len(s)] or [np.empty(0)])

    def window(self, sessions: int) -> Window:
        """Windows of so many sessions, none of which reaches into another instrument."""
        if sessions not in self._windows:
            self._windows[sessions] = Window.of(self.offsets, sessions)
        return self._windows[sessions]

    def segments(self) -> list[slice]:
        """Where the instruments lie."""
        return [slice(start, stop) for start, stop in pairwise(self.offsets) if stop > start]


class Window(BaseIndexer):
    """Windows for pandas, each up to a value and from ``first`` on."""

    first: Values

    @classmethod
    def of(cls, offsets: Values, sessions: int) -> Window:
        """Of so many sessions, or fewer where an instrument begins."""
        places = np.arange(offsets[-1], dtype=np.int64)
        begins = np.repeat(offsets[:-1], np.diff(offsets))
        return cls(first=np.maximum(places - sessions + 1, begins).astype(np.int64))

    def get_window_bounds(
        self,
        num_values: int = 0,
        min_periods: int | None = None,
        center: bool | None = None,
        closed: str | None = None,
        step: int | None = None,
    ) -> tuple[Values, Values]:
        """As pandas asks for them."""
        return self.first, np.arange(1, len(self.first) + 1, dtype=np.int64)

    @property
    def lengths(self) -> Values:
        """How many values each window has."""
        return np.arange(1, len(self.first) + 1) - self.first
