"""Prices that are other ones after a date, so that whatever reads them shows itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError
from wf_dagster.prices import FrameSource

_LARGEST = 5.0  # times a price, or a fifth of it
_DROPPED = 0.1  # of the later rows are not there


class AlteredPrices(FrameSource):
    """Given prices up to a date; after it random ones, with some rows left out.

    Args:
        prices: Rows ``(datetime, instrument)``.
        after: The date. All rows up to its end stay as they are.
        seed: Of the random numbers.
    """

    def __init__(self, prices: pd.DataFrame, after: pd.Timestamp, seed: int = 0) -> None:
        super().__init__()
        self._after = after
        self._seed = seed
        random = np.random.default_rng(seed)
        days = prices.index.get_level_values("datetime")
        place = int(days.searchsorted(after.normalize() + pd.Timedelta(days=1)))
        later = prices.iloc[place:].copy()
        numbers = later.select_dtypes("number").columns
        factors = np.exp(random.uniform(-np.log(_LARGEST), np.log(_LARGEST), later[numbers].shape))
        later[numbers] = later[numbers] * factors
        remaining = later[random.random(len(later)) >= _DROPPED]
        self._prices = pd.concat([prices.iloc[:place], remaining])

    def __repr__(self) -> str:
        return f"AlteredPrices(after={self._after:%Y-%m-%d}, seed={self._seed})"

    def _whole(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        return self._prices

    def _content(self) -> str:
        return repr(self)

    def spec(self) -> dict[str, Any]:
        """They cannot be made again from plain values.

        Raises:
            DataError: Always.
        """
        raise DataError(f"{self!r} is there for one comparison: it has no description")
