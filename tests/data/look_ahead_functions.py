"""Features, labels and a processor whose look-ahead is known by construction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wf_dagster.data.features import to_rows, to_wide
from wf_dagster.data.processors import Processor


def shifted(prices: pd.DataFrame, by: int = -3) -> pd.DataFrame:
    """A momentum, and the close of some sessions before (``by > 0``) or after (``by < 0``)."""
    close = to_wide(prices)
    return to_rows({"honest": close / close.shift(2), "shifted": close.shift(by)}, prices.index)


def long_memory(prices: pd.DataFrame) -> pd.DataFrame:
    """What looks back to the first session."""
    close = to_wide(prices)
    returns = close / close.shift(1) - 1
    return to_rows(
        {
            "mean so far": close / close.expanding().mean(),
            "exponential": returns.ewm(halflife=200).mean(),
            "highest": close / close.cummax(),
            "sum": returns.fillna(0.0).cumsum(),
        },
        prices.index,
    )


def broken_values(prices: pd.DataFrame) -> pd.DataFrame:
    """What is infinite, empty, or there at few sessions only; none of it looks ahead."""
    close = to_wide(prices)
    odd = pd.DataFrame(np.arange(len(close)) % 2 == 1, index=close.index)[0]
    rare = close.where(pd.Series(np.arange(len(close)) == 233, close.index), axis=0)
    return to_rows(
        {
            "infinite": (close / 0.0).where(odd, -np.inf, axis=0),
            "empty": close * np.nan,
            "gaps": close.where(odd, axis=0),
            "rare": rare,
        },
        prices.index,
    )


def filled_from_later(prices: pd.DataFrame) -> pd.DataFrame:
    """A close at each tenth session, filled backwards: known before it was."""
    close = to_wide(prices)
    tenth = pd.Series(np.arange(len(close)) % 10 == 9, index=close.index)
    return to_rows({"filled": close.where(tenth, axis=0).bfill()}, prices.index)


def needs_history(prices: pd.DataFrame) -> pd.DataFrame:
    """Cannot do with few sessions."""
    close = to_wide(prices)
    if len(close) < 300:
        raise ValueError("fewer than 300 sessions")
    return to_rows({"momentum": close / close.shift(5)}, prices.index)


def to_month_end(prices: pd.DataFrame) -> pd.DataFrame:
    """A label that is known at the end of the month, when the next one has begun."""
    close = to_wide(prices)
    month = close.index.to_period("M")
    last = close.groupby(month).transform("last")
    known = pd.Series(month < month[-1], index=close.index)
    return to_rows({"label": (last / close - 1).where(known, axis=0)}, prices.index)


def own_next_close(prices: pd.DataFrame) -> pd.DataFrame:
    """A label that counts an instrument's own sessions: known when it trades again."""
    close = prices["close"]
    return (close.groupby("instrument").shift(-1) / close - 1).to_frame("label")


def surprise(prices: pd.DataFrame) -> pd.DataFrame:
    """The next return minus the mean of all returns so far: it needs all of the past."""
    close = to_wide(prices)
    returns = close / close.shift(1) - 1
    return to_rows({"label": returns.shift(-1) - returns.expanding().mean()}, prices.index)


def scaled_label(prices: pd.DataFrame) -> pd.DataFrame:
    """The next return over the spread of all returns, later ones included."""
    close = to_wide(prices)
    returns = close / close.shift(1) - 1
    return to_rows({"label": returns.shift(-1) / returns.stack().std()}, prices.index)


class WholeZScore(Processor):
    """Takes mean and spread of whatever rows it is given, those of later sessions included."""

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        values = self._values(frame)
        return self._replace(frame, (values - np.nanmean(values, 0)) / np.nanstd(values, 0))


def moments(prices: pd.DataFrame) -> pd.DataFrame:
    """Spread, skewness and kurtosis of the last twenty returns."""
    returns = to_wide(prices).pct_change(fill_method=None)
    window = returns.rolling(20)
    values = {"std": window.std(), "skew": window.skew(), "kurt": window.kurt()}
    return to_rows(values, prices.index)


def nearly_honest(prices: pd.DataFrame) -> pd.DataFrame:
    """A close with a five hundredth of the last close of all: it looks ahead by little."""
    close = to_wide(prices)
    return to_rows({"nearly": close + close.ffill().iloc[-1] / 500}, prices.index)


def decaying_event(prices: pd.DataFrame) -> pd.DataFrame:
    """A moving average that is 0 but for few sessions; sums that run on leave 1e-17 of it."""
    close = to_wide(prices)
    event = close.where(pd.Series(np.arange(len(close)) % 90 == 0, close.index), 0.0, axis=0)
    return to_rows({"event": event.rolling(5).mean()}, prices.index)


def bins(prices: pd.DataFrame) -> pd.DataFrame:
    """Indicators of three bins, which are named after the quantiles of all prices."""
    return pd.get_dummies(pd.qcut(prices["close"], 3)).astype("float64")


def named_after_last_year(prices: pd.DataFrame) -> pd.DataFrame:
    """A momentum with the year of the last session in its name."""
    close = to_wide(prices)
    return to_rows({f"momentum {close.index[-1].year}": close / close.shift(5)}, prices.index)


def sectors(prices: pd.DataFrame) -> pd.DataFrame:
    """Indicators of the sectors that there are: one for each instrument."""
    names = prices.index.get_level_values("instrument")
    return pd.get_dummies(pd.Series(names, index=prices.index)).astype("float64")


def label_of_last_year(prices: pd.DataFrame) -> pd.DataFrame:
    """The next return with the year of the last session in its name."""
    close = to_wide(prices)
    return to_rows({f"label {close.index[-1].year}": close.shift(-1) / close - 1}, prices.index)


def random_values(prices: pd.DataFrame) -> pd.DataFrame:
    """Others each time."""
    values = np.random.default_rng().normal(size=len(prices))
    return pd.DataFrame({"random": values}, index=prices.index)


def moments_of_squares(prices: pd.DataFrame) -> pd.DataFrame:
    """Skewness and kurtosis of signed squares, of which large returns later leave few digits."""
    returns = to_wide(prices).pct_change(fill_method=None)
    window = (returns * returns.abs()).rolling(20)
    return to_rows({"skew": window.skew(), "kurt": window.kurt()}, prices.index)
