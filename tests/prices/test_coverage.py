"""A day is a session when enough instruments have a close; days after today are refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from wf_dagster import Market
from wf_dagster.errors import DataError, SettingsError
from wf_dagster.prices import FrameSource, ParquetPrices
from wf_dagster.prices.close_digests import digest_closes

DAYS = pd.bdate_range("2024-03-04", periods=12)
NAMES = list("ABCDEFGHIJ")


def wide() -> pd.DataFrame:
    """Closes of ten instruments on twelve days."""
    values = 10 + np.arange(120.0).reshape(12, 10)
    return pd.DataFrame(values, DAYS, pd.Index(NAMES, name="instrument")).rename_axis("datetime")


def source(tmp_path: Path, closes: pd.DataFrame, **options: Any) -> ParquetPrices:
    """A file of closes; an empty one is a row as well."""
    path = tmp_path / "prices.parquet"
    closes.stack(future_stack=True).rename("close").reset_index().to_parquet(path)
    return ParquetPrices(path, **options)


def test_a_day_of_placeholders_at_the_end_is_no_session(tmp_path: Path) -> None:
    closes = wide()
    closes.iloc[-1] = np.nan
    prices = source(tmp_path, closes)
    assert prices.last_session() == DAYS[-2]
    assert list(prices.sessions()) == list(DAYS[:-1])
    assert len(prices.load()) == 110


def test_a_day_of_placeholders_further_back_is_no_session_either(tmp_path: Path) -> None:
    closes = wide()
    closes.iloc[6] = np.nan
    prices = source(tmp_path, closes)
    assert list(prices.sessions()) == [day for n, day in enumerate(DAYS) if n != 6]
    assert DAYS[6] not in prices.load().index.levels[0]
    assert prices.at(DAYS[6]).last_session() == DAYS[5]


@pytest.mark.parametrize(
    ("closes_of_last", "min_coverage", "is_session"),
    [(5, None, True), (4, None, False), (8, 0.8, True), (7, 0.8, False), (1, 0.1, True)],
)
def test_the_last_session_needs_a_share_of_the_instruments(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    closes_of_last: int,
    min_coverage: float | None,
    is_session: bool,
) -> None:
    closes = wide()
    closes.iloc[-1, closes_of_last:] = np.nan
    prices = source(tmp_path, closes, min_coverage=min_coverage)
    with caplog.at_level(logging.WARNING):
        last = prices.last_session()
        prices.load()
    assert last == DAYS[-1 if is_session else -2]
    said = [record.message for record in caplog.records]
    if is_session:
        # those that wait for their close are not there yet
        assert len(prices.load().loc[DAYS[-1]]) == closes_of_last
        assert said == []
    else:
        (message,) = said  # once a content
        assert f"{DAYS[-1]:%Y-%m-%d} is not there yet: {closes_of_last} of 10" in message


def test_days_at_the_end_wait_together(tmp_path: Path) -> None:
    closes = wide()
    closes.iloc[-3:, 2:] = np.nan
    assert source(tmp_path, closes).last_session() == DAYS[-4]


def test_further_back_a_day_of_few_instruments_is_a_session(tmp_path: Path) -> None:
    closes = wide()
    closes.iloc[7, 1:] = np.nan  # the other exchange rests
    prices = source(tmp_path, closes)
    assert len(prices.sessions()) == 12
    assert prices.at(DAYS[7]).last_session() == DAYS[7]
    assert len(prices.load(start=DAYS[7], end=DAYS[7])) == 10  # suspended: rows without a close


def test_instruments_that_ended_are_not_waited_for(tmp_path: Path) -> None:
    closes = wide()
    closes.iloc[6:, 4:] = np.nan  # six of ten are delisted before the last five sessions
    prices = source(tmp_path, closes)
    assert prices.last_session() == DAYS[-1]
    assert len(prices.load(start=DAYS[-1])) == 10


def test_the_share_is_that_of_the_source_then_the_market_then_the_settings(
    home: Path, tmp_path: Path
) -> None:
    closes = wide()
    closes.iloc[-1, 6:] = np.nan  # six of ten
    own = source(tmp_path, closes, min_coverage=0.9)
    path = str(own.path)
    wf_dagster.init(prices=path, calendar="prices", min_coverage=0.7)
    assert Market().last_session == DAYS[-2]
    assert Market(path, min_coverage=0.6).last_session == DAYS[-1]
    assert Market(own, min_coverage=0.6).last_session == DAYS[-2]
    assert Market(own.spec()).last_session == DAYS[-2]
    assert own.spec()["min_coverage"] == 0.9
    market = Market(path, min_coverage=0.6)
    assert market.at(DAYS[3]).without_as_of() == market
    assert market.with_calendar("XNYS").last_session == DAYS[-1]
    assert Market().prices.version() != market.prices.version()


def test_what_names_no_share_is_described_as_before(tmp_path: Path) -> None:
    prices = source(tmp_path, wide())
    assert set(prices.spec()) == {"path", "as_of"}
    assert prices.version().endswith("@")
    assert "min_coverage" not in repr(Market("sample"))


@pytest.mark.parametrize("share", [0, 1.5, "half", True])
def test_what_is_no_share_is_refused(tmp_path: Path, share: Any) -> None:
    expected = rf"min_coverage={share!r} is no share of the instruments: use a number above 0"
    with pytest.raises(DataError, match=expected):
        Market("sample", min_coverage=share)
    with pytest.raises(DataError, match=expected):
        ParquetPrices(tmp_path, min_coverage=share)


def test_a_setting_that_is_no_share_is_refused(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"min_coverage \(WF_MIN_COVERAGE\) = 0"):
        wf_dagster.init(min_coverage=0)


def test_prices_without_any_close_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no session: on none of its days"):
        source(tmp_path, wide() * np.nan).sessions()


def with_a_row_of(tmp_path: Path, day: Any, **options: Any) -> ParquetPrices:
    table = wide().stack().rename("close").reset_index()
    row = pd.DataFrame({"datetime": [pd.Timestamp(day)], "instrument": ["C"], "close": [7.0]})
    path = tmp_path / "prices.parquet"
    pd.concat([table, row]).to_parquet(path)
    return ParquetPrices(path, **options)


@pytest.mark.parametrize("ask", ["sessions", "last_session", "load"])
def test_rows_after_today_are_refused_by_name(tmp_path: Path, ask: str) -> None:
    prices = with_a_row_of(tmp_path, "2062-05-03")
    expected = (
        r"prices.parquet'\) holds 1 rows after today .* the first for C on 2062-05-03: correct or "
        r"remove them, or set as_of \(WF_AS_OF\)"
    )
    with pytest.raises(DataError, match=expected):
        getattr(prices, ask)()


def test_a_replay_date_hides_rows_after_today(tmp_path: Path) -> None:
    prices = with_a_row_of(tmp_path, "2062-05-03", as_of=DAYS[8])
    assert prices.last_session() == DAYS[8]
    assert prices.hides()
    assert prices.at(None).last_session() == DAYS[-1]
    with pytest.raises(DataError, match="rows after today"):
        with_a_row_of(tmp_path, "2062-05-03", as_of="2070-01-01").sessions()


def test_today_is_the_latest_date_anywhere(tmp_path: Path) -> None:
    latest = (pd.Timestamp.now("UTC") + pd.Timedelta(hours=14)).tz_localize(None).normalize()
    with_a_row_of(tmp_path, latest).sessions()
    with pytest.raises(DataError, match="rows after today"):
        with_a_row_of(tmp_path, latest + pd.Timedelta(days=1)).sessions()


def test_a_last_day_of_one_instrument_is_not_the_last_session(tmp_path: Path) -> None:
    prices = with_a_row_of(tmp_path, DAYS[-1] + pd.Timedelta(days=30))
    assert prices.last_session() == DAYS[-1]
    assert len(prices.sessions()) == 12


class Own(FrameSource):
    """A source whose frame has no column of closes."""

    def _whole(self, fields=None) -> pd.DataFrame:
        return wide().stack().rename("price").to_frame()

    def _content(self) -> str:
        return "own"

    def spec(self) -> dict[str, Any]:
        return {}


def test_a_source_without_closes_has_all_its_days() -> None:
    assert len(Own().sessions()) == 12


def test_the_digest_of_a_day_tells_its_closes_and_nothing_else() -> None:
    frame = wide().stack().rename("close").to_frame()
    before = digest_closes(frame)
    assert before.index.equals(pd.DatetimeIndex(DAYS, name="datetime"))
    changed = frame.copy()
    changed.loc[(DAYS[4], "C"), "close"] *= 1.01
    assert list(np.flatnonzero(digest_closes(changed) != before)) == [4]
    swapped = frame.copy()  # the same values on other instruments
    swapped.loc[(DAYS[5], ["A", "B"]), "close"] = frame.loc[(DAYS[5], ["B", "A"]), "close"].values
    assert list(np.flatnonzero(digest_closes(swapped) != before)) == [5]
    empty = pd.concat([frame, pd.DataFrame({"close": np.nan}, [(DAYS[3], "Z")])]).sort_index()
    empty.index.names = frame.index.names
    assert digest_closes(empty).equals(before)


# what is usual


def _made(days: pd.DatetimeIndex, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(10.0, days, pd.Index(names, name="instrument")).rename_axis("datetime")


@pytest.mark.parametrize("share", [0.2, 0.3, 0.4])
def test_a_universe_that_trades_thinly_keeps_all_its_sessions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, share: float
) -> None:
    days = pd.bdate_range("2022-01-03", periods=300)
    closes = _made(days, [f"B{number:03d}" for number in range(60)])
    closes = closes.where(np.random.default_rng(1).random(closes.shape) < share)
    prices = source(tmp_path, closes)
    assert prices.sessions().equals(pd.DatetimeIndex(days, freq=None, name="datetime"))
    assert "not there yet" not in caplog.text


def test_instruments_that_rest_together_are_not_waited_for(tmp_path: Path) -> None:
    """Ten of New York and twelve of Shanghai, which rests for weeks of the year."""
    days = pd.bdate_range("2021-01-01", "2022-10-07")
    new_york, shanghai = [f"N{n}" for n in range(10)], [f"C{n}" for n in range(12)]
    closes = _made(days, new_york + shanghai)
    rests = [
        *pd.bdate_range("2021-10-01", "2021-10-07"),
        *pd.bdate_range("2022-10-03", "2022-10-07"),
    ]
    closes.loc[rests, shanghai] = np.nan
    assert source(tmp_path, closes).last_session() == days[-1]
    # a day on which others lack is waited for: nine of all, as they come
    partial = closes.copy()
    partial.loc[days[-1], new_york] = np.nan
    partial.loc[days[-1], "C0"] = 10.0
    assert source(tmp_path, partial).last_session() == days[-2]


def test_the_sundays_of_coins_are_sessions_beside_stocks(tmp_path: Path) -> None:
    days = pd.date_range("2022-01-01", "2022-12-25")  # a Sunday
    stocks, coins = [f"S{n}" for n in range(20)], [f"X{n}" for n in range(10)]
    closes = _made(days, stocks + coins)
    closes.loc[days.dayofweek >= 5, stocks] = np.nan
    assert source(tmp_path, closes).last_session() == pd.Timestamp("2022-12-25")


def test_days_that_nothing_completes_do_not_wait_for_ever(tmp_path: Path) -> None:
    closes = wide()
    closes.loc[DAYS[4:], NAMES[3:]] = np.nan  # seven of ten end here
    assert source(tmp_path, closes).last_session() == DAYS[-1]
