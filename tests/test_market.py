"""The market of a strategy: which prices, on which sessions, and up to when they are seen."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import exchange_calendars
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wf_dagster import Market, init
from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError, DataError
from wf_dagster.market import price_source
from wf_dagster.prices import ParquetPrices, SamplePrices
from wf_dagster.tasks import fingerprint

FIRST, LAST = "2019-12-02", "2020-06-30"
# of a task with a market, as the version before wrote it into homes
FINGERPRINT = "d2c653d98c5b9193341e8756dd628e5c5d31958941122e3e2d90aecde1617ff3"
days = st.dates(pd.Timestamp("2020-01-06").date(), pd.Timestamp("2020-12-31").date())
descriptions = st.fixed_dictionaries(
    {
        "prices": st.sampled_from([None, "sample", "qlib", "a.parquet", Path("b.csv")]),
        "calendar": st.sampled_from([None, "XNYS", "XTKS", "prices"]),
        "as_of": st.none() | days,
    }
)


def _sessions(exchange, first=FIRST, last=LAST):
    calendar = exchange_calendars.get_calendar(exchange, start=first, end=last)
    return calendar.sessions.tz_localize(None)


def _write_prices(folder: Path, exchange: str, last: str = LAST) -> str:
    rows = [
        {"datetime": day, "instrument": name, "close": 100.0 + number}
        for number, day in enumerate(_sessions(exchange, last=last))
        for name in ("A", "B")
    ]
    path = folder / f"{exchange}.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return str(path)


# a value


@given(descriptions)
def test_a_market_is_equal_to_every_other_one_of_the_same_description(description):
    market, twin = Market(**description), Market(**description)
    assert market == twin
    assert hash(market) == hash(twin)
    assert market.at(description["as_of"]) == market
    assert pickle.loads(pickle.dumps(market)) == market


@given(descriptions, descriptions)
def test_markets_of_different_descriptions_differ(first, second):
    assert (Market(**first) == Market(**second)) == (first == second)


def test_a_market_counts_in_fingerprints_as_it_did_before_it_had_a_coverage():
    record = {"class": "SigAnaRecord", "module_path": "wf_dagster.records"}
    task = {
        "model": {"class": "M", "module_path": "m"},
        "record": [{**record, "kwargs": {"market": Market("sample", "XNYS")}}],
    }
    assert fingerprint(task) == FINGERPRINT


def test_a_market_shows_what_it_was_described_by():
    market = Market("sample", "XNYS", as_of="2020-03-01")
    assert repr(market) == (
        "Market(prices='sample', calendar='XNYS', as_of=Timestamp('2020-03-01 00:00:00'))"
    )
    assert repr(Market()) == "Market()"
    assert market != "sample"


def test_a_market_reads_the_same_file_wherever_its_process_stands(tmp_path, monkeypatch):
    _write_prices(tmp_path, "XTKS")
    (tmp_path / "elsewhere").mkdir()
    _write_prices(tmp_path / "elsewhere", "XTKS", last="2020-03-31")  # the same name, other prices
    monkeypatch.chdir(tmp_path)
    markets = [Market(prices) for prices in ("XTKS.parquet", Path("XTKS.parquet"))]
    markets.append(Market({"path": "XTKS.parquet", "as_of": None}))
    init(prices="XTKS.parquet", calendar="XTKS")
    assert [market.calendar_name for market in markets] == ["XTKS"] * 3, "that of the settings"
    monkeypatch.chdir(tmp_path / "elsewhere")
    for market in markets:
        assert pickle.loads(pickle.dumps(market)).last_session == pd.Timestamp(LAST)


def test_a_market_of_a_pickle_sees_the_same_prices_and_sessions(tmp_path):
    market = Market(_write_prices(tmp_path, "XTKS"), "XTKS", as_of="2020-03-20")
    copy = pickle.loads(pickle.dumps(market))
    pd.testing.assert_frame_equal(copy.prices.load(), market.prices.load())
    assert copy.calendar.sessions.equals(market.calendar.sessions)


# as of when


@given(st.lists(st.none() | days, max_size=5))
def test_a_date_only_ever_hides_more(dates):
    market = Market("sample", "XNYS")
    hidden_after = None
    for date in dates:
        market = market.at(date)
        assert hidden_after is None or market.as_of <= hidden_after
        hidden_after = market.as_of
    assert hidden_after == min((pd.Timestamp(date) for date in dates if date), default=None)


@given(days, days)
@settings(max_examples=10, deadline=None)
def test_neither_prices_nor_calendar_show_a_session_that_is_hidden(first, second):
    earliest = pd.Timestamp(min(first, second))
    market = Market("sample", "XNYS").at(first).at(second)
    expected = [day for day in SamplePrices().sessions() if day <= earliest][-1]
    assert market.prices.last_session() == expected
    assert market.last_session == market.calendar.last_session == expected
    assert market.calendar.sessions[-1] > expected, "the future sessions are known all the same"


@pytest.mark.parametrize(
    ("prices", "of_settings", "of_market", "expected"),
    [
        ("sample", "", None, None),
        ("sample", "2020-03-02", None, "2020-03-02"),
        ("sample", "2020-03-02", "2020-05-04", "2020-03-02"),
        ("sample", "2020-05-04", "2020-03-02", "2020-03-02"),
        ({"path": "sample", "as_of": "2020-02-03"}, "2020-05-04", "2020-03-02", "2020-02-03"),
        (SamplePrices(as_of="2020-02-03"), "", "2020-03-02", "2020-02-03"),
    ],
)
def test_of_all_replay_dates_the_earliest_holds(prices, of_settings, of_market, expected):
    init(as_of=of_settings)
    market = Market(prices, "XNYS", as_of=of_market)
    assert market.as_of == (None if expected is None else pd.Timestamp(expected))
    assert market.prices.as_of == market.as_of


def test_the_date_of_prices_stays_when_others_take_their_place(tmp_path):
    market = Market({"path": "sample", "as_of": "2020-02-03"}, "XNYS")
    others = market.with_prices(_write_prices(tmp_path, "XNYS"))
    assert others.as_of == others.prices.last_session() == pd.Timestamp("2020-02-03")


def test_a_pickled_sample_source_does_not_remember_where_it_was_read(home):
    source = SamplePrices(as_of="2020-02-03")
    assert source.__getstate__() == {"as_of": pd.Timestamp("2020-02-03")}
    again = pickle.loads(pickle.dumps(source))
    assert again.load(["close"]).equals(source.load(["close"]))


def test_a_market_names_the_modules_of_what_it_holds():
    own = TradingCalendar(_sessions("XTKS"))
    assert Market().modules == Market("sample", "XTKS").modules == set()
    assert Market(SamplePrices(), own).modules == {
        "wf_dagster.prices.sample",
        type(own).__module__,
    }


def test_a_replay_clock_hides_prices_while_it_stands_and_the_market_follows_it(home):
    market = Market()
    assert not market.is_replayed
    clock = home / "replay_clock"
    home.mkdir(exist_ok=True)
    for date in ("2020-03-02", "2020-03-03"):
        clock.write_text(date)
        assert market.is_replayed
        assert market.as_of == market.last_session == pd.Timestamp(date)
        assert market.sessions_to_replay().equals(SamplePrices().sessions())
    assert Market(as_of="2020-02-03").last_session == pd.Timestamp("2020-02-03")
    clock.unlink()
    assert market.as_of is None
    assert market.last_session == SamplePrices().last_session()


def test_a_source_of_ones_own_that_shows_more_than_the_replay_date_is_refused():
    class Mine:
        as_of = None

        def load(self, *_, **__):
            raise NotImplementedError

        last_session = sessions = version = spec = load

    with pytest.raises(DataError, match="the replay date is 2020-03-02"):
        _ = Market(Mine(), as_of="2020-03-02").prices


# what it takes from the settings


def test_a_market_without_a_description_is_that_of_the_settings(tmp_path):
    market = Market()
    assert market.is_default
    assert market.at("2020-03-02").is_default
    assert isinstance(market.prices, SamplePrices)
    assert (market.calendar_name, market.exchange) == ("XNYS", "XNYS")
    assert len(market.calendar.between(market.last_session, None)) > 240

    path = _write_prices(tmp_path, "XTKS")
    init(prices=path, calendar="XTKS")
    assert isinstance(market.prices, ParquetPrices)
    assert market.exchange == "XTKS"
    assert market.calendar.between(FIRST, LAST).equals(pd.DatetimeIndex(_sessions("XTKS")))
    init(prices=path, calendar="prices")
    assert market.calendar_name == "prices"
    assert market.exchange == "XTKS", "whose sessions they are"
    assert market.calendar.between(FIRST, LAST).equals(pd.DatetimeIndex(_sessions("XTKS")))


def test_the_calendar_of_the_settings_is_not_laid_over_other_prices(tmp_path):
    init(calendar="XNYS")
    market = Market(_write_prices(tmp_path, "XTKS"))
    assert not market.is_default
    assert (market.calendar_name, market.exchange) == ("prices", "XTKS")
    assert market.calendar.between(None, LAST).equals(pd.DatetimeIndex(_sessions("XTKS")))


def test_prices_of_a_task_are_counted_on_the_calendar_of_the_market(tmp_path):
    tokyo, new_york = (_write_prices(tmp_path, name) for name in ("XTKS", "XNYS"))
    market = Market(tokyo, "XTKS", as_of="2020-03-19")
    other = market.with_prices(new_york)
    assert (other.calendar_name, other.as_of) == ("XTKS", market.as_of)
    assert other.prices.spec()["path"] == new_york
    assert market.with_prices(None) is market


def test_a_price_source_by_its_description_is_that_of_a_market():
    source = price_source({"path": "sample", "as_of": "2020-03-02"}, as_of="2020-02-03")
    assert source.as_of == pd.Timestamp("2020-02-03")
    assert price_source(source) is source


# sessions


@given(days)
@settings(max_examples=20, deadline=None)
def test_a_calendar_of_ones_own_is_used_as_it_is_up_to_the_replay_date(date):
    calendar = TradingCalendar(pd.date_range("2020-01-01", "2021-01-01", freq="W-MON"))
    market = Market("sample", calendar)
    assert market.calendar is calendar
    assert (market.calendar_name, market.exchange) == ("own", None)
    seen = market.at(date).calendar
    assert seen.sessions.equals(calendar.sessions)
    assert seen.last_session == calendar.align(date, "end")


def test_sessions_that_are_no_calendar_are_refused_with_the_remedy():
    days: Any = pd.bdate_range("2020-01-01", periods=5)
    with pytest.raises(CalendarError, match=r"a DatetimeIndex: .* TradingCalendar\(sessions\)"):
        Market("sample", days)


def test_an_exchange_that_does_not_exist_is_refused_when_it_is_asked_for():
    market = Market("sample", "NYSE-ish")
    with pytest.raises(CalendarError, match="exchange 'NYSE-ish' is unknown"):
        _ = market.calendar


def test_two_markets_in_one_process_stand_on_their_own_sessions(tmp_path):
    markets = {
        exchange: Market(_write_prices(tmp_path, exchange), exchange)
        for exchange in ("XNYS", "XTKS")
    }
    for exchange, market in markets.items():
        expected = pd.DatetimeIndex(_sessions(exchange))
        assert market.calendar.between(FIRST, LAST).equals(expected)
        assert market.prices.sessions().equals(expected)
        assert market.last_session == expected[-1]
    # Tokyo rests for the Emperor's birthday, New York for Memorial Day
    tokyo, new_york = (set(markets[name].calendar.sessions) for name in ("XTKS", "XNYS"))
    assert pd.Timestamp("2020-02-24") in new_york - tokyo
    assert pd.Timestamp("2020-05-25") in tokyo - new_york
