"""Feature functions that tests name by their dotted path."""

from __future__ import annotations

import pandas as pd

from wf_dagster.data.features import momentum, to_rows, to_wide


def leaking(prices: pd.DataFrame) -> pd.DataFrame:
    """Momentum, and the return of the next session."""
    close = to_wide(prices)
    tomorrow = to_rows({"tomorrow": close.shift(-1) / close - 1}, prices.index)
    return pd.concat([momentum(prices, [3]), tomorrow], axis=1)


def leaking_by_its_mean(prices: pd.DataFrame) -> pd.DataFrame:
    """A close over the mean of all closes, later ones included."""
    close = to_wide(prices)
    return to_rows({"relative": close / close.mean()}, prices.index)


def next_return(prices: pd.DataFrame) -> pd.DataFrame:
    """A label that is known a session later."""
    close = to_wide(prices)
    return to_rows({"next": close.shift(-1) / close - 1}, prices.index)
