"""Windows of features count the sessions of their instrument."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster.data.features import momentum, price_features, reversal, volatility
from wf_dagster.data.labels import forward_return
from wf_dagster.data.own_sessions import OwnSessions

PRICES = made_prices(sessions=60, instruments=4).set_index(["datetime", "instrument"]).sort_index()
CLOSES = PRICES["close"].unstack("instrument")


def two_exchanges() -> pd.DataFrame:
    """Instruments of two exchanges: each is closed on days on which the other is open."""
    closes = CLOSES.copy()
    closes.iloc[[10, 20, 21, 30, 41], :2] = np.nan
    closes.iloc[[12, 22, 35], 2:] = np.nan
    closes.iloc[:8, 3] = np.nan  # listed later
    return closes.stack().rename("close").to_frame().sort_index()


def of_one(prices: pd.DataFrame, name: str, column: str) -> pd.Series:
    """The column by hand, for one instrument alone."""
    close = prices["close"].xs(name, level="instrument")
    kind, window = column.split("_")
    if kind == "momentum":
        return close / close.shift(int(window)) - 1
    if kind == "reversal":
        return 1 - close / close.shift(int(window))
    returns = np.log(close / close.shift(1))
    return pd.Series(
        [
            np.std(returns.iloc[n - int(window) + 1 : n + 1], ddof=1)
            if n >= int(window)
            else np.nan
            for n in range(len(close))
        ],
        index=close.index,
    )


def test_each_instrument_is_computed_as_if_it_were_alone() -> None:
    prices = two_exchanges()
    features = price_features(prices, windows=[2, 5, 20])
    assert features.index.equals(prices.index)
    for name in CLOSES.columns:
        for column in features:
            expected = of_one(prices, name, column)
            ours = features[column].xs(name, level="instrument")
            np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-15)


def test_nothing_is_missing_but_the_first_window() -> None:
    features = volatility(two_exchanges(), windows=[20])["volatility_20"]
    lacks = features.isna().groupby("instrument").sum()
    assert lacks.tolist() == [20, 20, 20, 20]


@pytest.mark.parametrize("late", [0, 13])
def test_without_gaps_the_numbers_are_those_of_the_frame_to_the_bit(late: int) -> None:
    closes = CLOSES.copy()
    closes.iloc[:late, 1] = np.nan
    prices = closes.stack().rename("close").to_frame().sort_index()
    returns = np.log(closes / closes.shift(1))
    for ours, expected in (
        (momentum(prices, [3])["momentum_3"], closes / closes.shift(3) - 1),
        (reversal(prices, [2])["reversal_2"], 1 - closes / closes.shift(2)),
        (volatility(prices, [4])["volatility_4"], returns.rolling(4).std()),
    ):
        on_rows = expected.stack(future_stack=True).reindex(prices.index)
        assert ours.to_numpy().tobytes() == on_rows.to_numpy().tobytes()


def test_a_row_without_a_close_has_no_feature_and_costs_no_other() -> None:
    prices = PRICES.copy()
    prices.loc[(CLOSES.index[30], "S001"), "close"] = np.nan
    ours = momentum(prices, [1])["momentum_1"].xs("S001", level="instrument")
    assert np.isnan(ours.iloc[30])
    close = CLOSES["S001"]
    assert ours.iloc[31] == pytest.approx(close.iloc[31] / close.iloc[29] - 1)


def test_an_empty_frame_stays_empty() -> None:
    wide = pd.DataFrame({"A": [np.nan, np.nan]})
    own = OwnSessions(wide)
    assert own.on_calendar(own.values.shift(1)).isna().all(axis=None)


def test_labels_stay_on_the_sessions_of_all_so_that_none_is_known_later() -> None:
    """A label that waited for its instrument's next close would be known after ``trunc_days``."""
    prices = two_exchanges()
    label = forward_return(prices, horizon=2, lag=1)["label"].unstack("instrument")
    closes = prices["close"].unstack("instrument")
    for session in range(len(closes) - 3):
        held = closes.iloc[session + 3] / closes.iloc[session + 1] - 1
        there = closes.iloc[session].notna()
        np.testing.assert_allclose(label.iloc[session], held.where(there), rtol=1e-12)
    assert np.isnan(label.iloc[7, 0])  # S000 has no close on session 10
