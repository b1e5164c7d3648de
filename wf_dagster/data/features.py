"""Features: pure functions of prices that look at the past only.

A window counts the sessions of its instrument: days on which that has no close are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wf_dagster.data.own_sessions import OwnSessions

WINDOWS = (5, 10, 20, 60, 120, 250)


def price_features(prices: pd.DataFrame, windows: Sequence[int] = WINDOWS) -> pd.DataFrame:
    """Momentum, reversal and volatility over several windows.

    Args:
        prices: Rows ``(datetime, instrument)``, column ``close``.
        windows: Lengths in sessions of an instrument.

    Returns:
        The same rows; float64 columns ``momentum_5``, ..., NaN where history is too short.
    """
    return pd.concat(
        [momentum(prices, windows), reversal(prices), volatility(prices, windows)], axis=1
    )


def momentum(prices: pd.DataFrame, windows: Sequence[int] = WINDOWS) -> pd.DataFrame:
    """Return over the last ``window`` sessions, as a fraction: ``close[t]/close[t-window] - 1``."""
    own = OwnSessions(to_wide(prices))
    close = own.values
    columns = {f"momentum_{w}": own.on_calendar(close / close.shift(w) - 1) for w in windows}
    return to_rows(columns, prices.index)


def reversal(prices: pd.DataFrame, windows: Sequence[int] = (1, 2, 3)) -> pd.DataFrame:
    """Minus the return over the last few sessions, as a fraction."""
    own = OwnSessions(to_wide(prices))
    close = own.values
    columns = {f"reversal_{w}": own.on_calendar(1 - close / close.shift(w)) for w in windows}
    return to_rows(columns, prices.index)


def volatility(prices: pd.DataFrame, windows: Sequence[int] = WINDOWS) -> pd.DataFrame:
    """Standard deviation of the daily log returns over the last ``window`` sessions."""
    own = OwnSessions(to_wide(prices))
    close = own.values
    returns: pd.DataFrame = np.log(close / close.shift(1))  # type: ignore[assignment]
    columns = {f"volatility_{w}": own.on_calendar(returns.rolling(w).std()) for w in windows}
    return to_rows(columns, prices.index)


def to_wide(prices: pd.DataFrame) -> pd.DataFrame:
    """Closes as sessions times instruments; NaN on a session on which one has none.

    :class:`~wf_dagster.data.own_sessions.OwnSessions` takes such days out of windows.
    """
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
