"""Features and labels of bars within days, from a price file to the segments of a dataset."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from tests.made_bars import bar_prices
from wf_dagster import Market, PanelDataset, TradingCalendar
from wf_dagster.errors import CalendarError, DataError

PRICES = bar_prices("2023-11-13", "2023-12-01", instruments=3)
FEATURES = {"func": "wf_dagster.data.features.momentum", "kwargs": {"windows": [3]}}
LABEL = {"func": "wf_dagster.data.labels.forward_return", "kwargs": {"horizon": 2, "lag": 1}}


@pytest.fixture
def path(tmp_path):
    PRICES.to_parquet(tmp_path / "bars.parquet")
    return tmp_path / "bars.parquet"


def dataset(market, train=("2023-11-14", "2023-11-20"), test=("2023-11-21", None)):
    segments = {"train": train, "test": test}
    return PanelDataset(segments, FEATURES, LABEL, market=market)


def test_a_segment_of_days_holds_all_their_bars_and_a_time_of_day_is_exact(path):
    data = dataset(
        Market(path), ("2023-11-14", "2023-11-20 12:00"), ("2023-11-20 12:30", "2023-11-24")
    )
    train, test = data.prepare("train"), data.prepare("test")
    assert train.index[0][0] == pd.Timestamp("2023-11-14 10:00")
    assert train.index[-1][0] == pd.Timestamp("2023-11-20 12:00")
    assert test.index[0][0] == pd.Timestamp("2023-11-20 12:30")
    assert test.index[-1][0] == pd.Timestamp("2023-11-24 13:00")  # a half day
    assert len(train) == 3 * (4 * 13 + 5)
    close = PRICES["close"].unstack()
    bar = pd.Timestamp("2023-11-20 10:30")
    place = close.index.get_loc(bar)
    expected = close.iloc[place + 3] / close.iloc[place + 1] - 1
    np.testing.assert_allclose(train.loc[bar, ("label", "label")], expected)
    momentum = close.iloc[place] / close.iloc[place - 3] - 1  # over the night
    np.testing.assert_allclose(train.loc[bar, ("feature", "momentum_3")], momentum)


def test_a_replay_date_shows_all_bars_of_its_day_and_no_later_label(path):
    seen = dataset(Market(path, as_of="2023-11-24"))
    frame = seen.prepare(slice("2023-11-24", None))
    assert seen.last_session() == pd.Timestamp("2023-11-24 13:00")
    assert list(frame.index.unique("datetime"))[-1] == pd.Timestamp("2023-11-24 13:00")
    known = frame["label"]["label"].unstack().notna().all(axis=1)
    assert list(known) == [True] * 4 + [False] * 3  # the label looks three bars ahead
    later = dataset(Market(path, as_of="2023-11-27")).prepare(slice("2023-11-24", "2023-11-24"))
    assert later["label"].notna().all(axis=None)


def test_what_is_awaited_begins_with_a_bar(path):
    data = dataset(Market(path), test=("2023-12-01 16:30", None))
    assert len(data.awaited("test")) == 0
    assert dataset(Market(path), test=("2023-12-01 16:00", None)).awaited("test") is None


def test_an_empty_segment_names_its_bars(path):
    data = dataset(Market(path), test=("2023-11-21 18:00", "2023-11-21 19:00"))
    with pytest.raises(DataError, match=r"test \(2023-11-21 18:00 to 2023-11-21 19:00\) has no"):
        data.prepare("test")


def test_bars_are_sessions_also_where_the_exchange_of_their_days_was_named(path):
    calendar = Market(path, "XNYS").calendar
    assert calendar.sessions.equals(Market(path).prices.sessions())
    with pytest.raises(CalendarError, match="calendar='24/7' does not fit"):
        _ = Market(path, "24/7").calendar


def test_bars_on_sessions_of_days_are_refused(path):
    days = TradingCalendar(pd.bdate_range("2023-11-13", "2023-12-01"))
    with pytest.raises(
        DataError, match=r"bars within days, the last at 2023-12-01 16:00.*'prices'"
    ):
        dataset(Market(path, days)).prepare("train")


def test_days_on_sessions_of_bars_are_refused_and_times_of_day_are_said(tmp_path, caplog):
    daily = made_prices(sessions=60, instruments=3)
    daily.to_parquet(tmp_path / "daily.parquet")
    days = pd.DatetimeIndex(daily["datetime"].unique())
    train, test = (days[10] + pd.Timedelta(hours=9), days[20]), (days[30], None)
    bars = Market(tmp_path / "daily.parquet", TradingCalendar(PRICES.index.unique("datetime")))
    with pytest.raises(DataError, match=r"bars within days, and its prices are daily"):
        dataset(bars, train, test).prepare("train")
    with caplog.at_level(logging.WARNING):
        frame = dataset(Market(tmp_path / "daily.parquet"), train, test).prepare("train")
    assert frame.index[0][0] == days[10]
    assert "prices are daily: whole days count" in caplog.text
    shared = (days[10], days[20] + pd.Timedelta(hours=9)), (days[20] + pd.Timedelta(hours=10), None)
    with pytest.raises(DataError, match="prices are daily: both would hold that day"):
        dataset(Market(tmp_path / "daily.parquet"), *shared).prepare("train")


@pytest.mark.parametrize("as_of", ["2023-11-24 12:00", pd.Timestamp("2023-11-24 12:00")])
def test_a_replay_date_with_a_time_of_day_is_refused(path, as_of):
    with pytest.raises(CalendarError, match=r"2023-11-24 12:00:00 has a time of day.*'2023-11-24'"):
        Market(path, as_of=as_of)


def test_a_field_is_read_up_to_a_bar(path):
    bars = PRICES.assign(volume=np.arange(len(PRICES), dtype="float64"))
    volumes = bars.reset_index()
    volumes.to_parquet(path)
    expected = bars["volume"].loc[:"2023-11-14 11:00"]
    for _ in range(2):  # of some rows first, and then held
        loaded = Market(path).prices.load(["volume"], end="2023-11-14 11:00")
        assert list(loaded["volume"]) == list(expected)
