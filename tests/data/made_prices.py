"""Random prices that a test can write, change and compare."""

from __future__ import annotations

import numpy as np
import pandas as pd


def made_prices(sessions: int = 80, instruments: int = 6, seed: int = 0) -> pd.DataFrame:
    """Random walks in long format: datetime, instrument, close, volume; sorted by datetime."""
    random = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=sessions, name="datetime")
    names = pd.Index([f"S{number:03d}" for number in range(instruments)], name="instrument")
    steps = random.normal(0.0, 0.02, (sessions, instruments))
    close = pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), index=days, columns=names)
    table = close.stack().rename("close").reset_index()
    return table.assign(volume=random.uniform(1e3, 1e6, len(table)))


def with_other_future(prices: pd.DataFrame, after: pd.Timestamp, seed: int = 1) -> pd.DataFrame:
    """The same prices up to a session, other prices of every later one."""
    later = prices["datetime"] > after
    factor = np.random.default_rng(seed).uniform(0.2, 5.0, int(later.sum()))
    changed = prices.copy()
    changed.loc[later, "close"] *= factor
    return changed
