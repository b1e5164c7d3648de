"""Features: pure functions of prices that look at the past only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

WINDOWS = (5, 10, 20, 60, 120, 250)


def price_features(prices: pd.DataFrame, windows: Sequence[int] = WINDOWS) -> pd.DataFrame:
    """Momentum, reversal and volatility over several windows.

    Args:
        prices: Rows ``(datetime, instrument)``, column ``close``.
        windows: Lengths in sessions.

    Returns:
        The same rows; float64 columns ``momentum_5``, ..., NaN where history is too short.
    """
    return pd.concat(
        [momentum(prices, windows), reversal(prices), volatility(prices, windows)], axis=1
    )


def momentum(prices: pd.DataFrame, windows: Sequence[int] = WINDOWS) -> pd.DataFrame:
    """Return over the last ``window`` sessions, as a fraction: ``close[t]/close[t-window] - 1``."""
    close = to_wide(prices)
    columns = {f"momentum_{w}": close / close.shift(w) - 1 for w in windows}
    return to_rows(columns, prices.index)


def reversal(prices: pd.DataFrame, windows: Sequence[int] = (1, 2, 3)) -> pd.DataFrame:
    """Minus the return over the last few sessions, as a fraction."""
    close = to_wide(prices)
    columns = {f"reversal_{w}": 1 - close / close.shift(w) for w in windows}
    return to_rows(columns, prices.index)


def volatility(prices: pd.DataFrame, windows: Sequence[int] = WINDOWS) -> pd.DataFrame:
    """Standard deviation of the daily log returns over the last ``window`` sessions."""
    close = to_wide(prices)
    returns: pd.DataFrame = np.log(close / close.shift(1))  # type: ignore[assignment]
    columns = {f"volatility_{w}": returns.rolling(w).std() for w in windows}
    return to_rows(columns, prices.index)


def to_wide(prices: pd.DataFrame) -> pd.DataFrame:
    """Closes as sessions times instruments."""
    return prices["close"].unstack("instrument")


def to_rows(wide: dict[str, pd.DataFrame], rows: pd.Index) -> pd.DataFrame:
    """Back to the rows of the prices: a session without a price gets no features."""
    first = next(iter(wide.values()))
    session = first.index.get_indexer(rows.get_level_values("datetime"))
    column = first.columns.get_indexer(rows.get_level_values("instrument"))
    places = session * first.shape[1] + column
    return pd.DataFrame(
        {name: frame.to_numpy().ravel()[places] for name, frame in wide.items()}, index=rows
    )
