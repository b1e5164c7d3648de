"""Features and labels that are infinite, empty or have gaps, for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wf_dagster.data.features import to_rows, to_wide


def volume_change(prices: pd.DataFrame) -> pd.DataFrame:
    """Infinite on the session after one without volume."""
    volume = prices["volume"].unstack("instrument")
    return to_rows({"change": volume / volume.shift(1) - 1}, prices.index)


def calendar_volatility(prices: pd.DataFrame, window: int = 3) -> pd.DataFrame:
    """A window over all days, which is empty where an instrument does not trade on one of them."""
    close = to_wide(prices)
    returns = close / close.shift(1) - 1
    return to_rows({"calendar_volatility": returns.rolling(window).std()}, prices.index)


def late_column(prices: pd.DataFrame, since: str) -> pd.DataFrame:
    """Has values on the first day, and then from another one on."""
    days = prices.index.get_level_values("datetime")
    return prices["close"].where((days == days[0]) | (days >= pd.Timestamp(since))).to_frame()


def month_starts(prices: pd.DataFrame) -> pd.DataFrame:
    """The close on the first session of each month alone."""
    close = to_wide(prices)
    month = close.index.to_series().dt.month
    return to_rows({"close": close.where(month != month.shift(1), axis=0)}, prices.index)


def infinite_label(prices: pd.DataFrame) -> pd.DataFrame:
    """The next return; infinite for the first instrument on session 20."""
    close = to_wide(prices)
    label = close.shift(-1) / close - 1
    label.iloc[20, 0] = np.inf
    return to_rows({"label": label}, prices.index)


def missing_label(prices: pd.DataFrame) -> pd.DataFrame:
    """The next return; missing where :func:`infinite_label` is infinite."""
    return infinite_label(prices).replace(np.inf, np.nan)


def industry_mean(prices: pd.DataFrame) -> pd.DataFrame:
    """The mean close of the industry on the day, for prices with a text column."""
    keys = [prices.index.get_level_values("datetime"), prices["industry"]]
    return prices.groupby(keys, observed=True)["close"].transform("mean").rename("m").to_frame()


def january_members(day: pd.Timestamp, count: int = 2) -> list[str]:
    """The first instruments in January, another one later."""
    return [f"S{n:03d}" for n in range(count)] if day.month == 1 else ["S005"]
