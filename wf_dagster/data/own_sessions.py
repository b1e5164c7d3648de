"""Windows over the sessions of each instrument, whatever days others trade."""

from __future__ import annotations

import numpy as np
import pandas as pd


class OwnSessions:
    """A wide frame without the days on which an instrument has no value.

    Instruments of several exchanges stand on the days of all of them; a day on which one does not
    trade would make each window over it empty.

    Args:
        wide: Sessions times instruments, NaN where there is no value.

    Attributes:
        values: Row ``n`` holds each instrument's ``n``-th value; NaN once it has no more. Without
            gaps it is the frame itself.

    Example:
        >>> wide = pd.DataFrame({"A": [1.0, 2.0, 3.0], "B": [1.0, np.nan, 3.0]})
        >>> own = OwnSessions(wide)
        >>> own.on_calendar(own.values / own.values.shift(1) - 1)["B"].tolist()
        [nan, nan, 2.0]
    """

    def __init__(self, wide: pd.DataFrame) -> None:
        self.values = wide
        self._wide = wide
        self._is_there = wide.notna().to_numpy()
        self._order: np.ndarray | None = None
        if not self._is_there.all():
            longest = int(self._is_there.sum(axis=0).max(initial=0))
            # by column: first the sessions with a value, in their order
            self._order = np.argsort(~self._is_there, axis=0, kind="stable")[:longest]
            packed = np.take_along_axis(wide.to_numpy(), self._order, axis=0)
            self.values = pd.DataFrame(packed, columns=wide.columns)

    def on_calendar(self, values: pd.DataFrame) -> pd.DataFrame:
        """Back on the sessions of the wide frame; NaN where that has no value.

        Args:
            values: Computed from :attr:`values`, with its shape.
        """
        if self._order is None:
            return values
        whole = np.full(self._wide.shape, np.nan)
        np.put_along_axis(whole, self._order, values.to_numpy(), axis=0)
        whole[~self._is_there] = np.nan
        return pd.DataFrame(whole, index=self._wide.index, columns=self._wide.columns)
