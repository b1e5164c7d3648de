from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import wf_dagster
from tests.data.made_prices import made_prices
from tests.made_bars import bar_prices
from wf_dagster.errors import DataError
from wf_dagster.market import price_source
from wf_dagster.prices import CsvPrices, ParquetPrices, PriceSource, SamplePrices

PRICES = made_prices(sessions=12, instruments=3)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
Write = Callable[[pd.DataFrame, Path], None]


def write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path)


@pytest.fixture(params=[".parquet", ".csv"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    """Writes a table to a Parquet or a CSV file and gives its path."""

    def to_file(table: pd.DataFrame, name: str = "prices") -> Path:
        path = tmp_path / f"{name}{request.param}"
        path.parent.mkdir(exist_ok=True)
        (write_csv if request.param == ".csv" else write_parquet)(table, path)
        return path

    return to_file


def expected(table: pd.DataFrame = PRICES) -> pd.DataFrame:
    return table.set_index(["datetime", "instrument"]).sort_index()


# ---- what a source gives


def test_a_file_gives_sorted_rows_and_float_columns(write: Callable[..., Path]) -> None:
    by_instrument = PRICES.sort_values(["instrument", "datetime"]).astype({"volume": int})
    frame = price_source(write(by_instrument)).load()
    pd.testing.assert_frame_equal(frame, expected(PRICES.assign(volume=PRICES.volume // 1)))
    assert list(frame.index.names) == ["datetime", "instrument"]
    assert frame.index.levels[0].dtype == "datetime64[ns]"


def test_a_folder_is_read_as_one(write: Callable[..., Path]) -> None:
    for name, part in PRICES.groupby("instrument"):
        folder = write(part, f"folder/{name}").parent
    pd.testing.assert_frame_equal(price_source(folder).load(), expected())


def test_a_parquet_file_may_hold_its_keys_in_the_index(tmp_path: Path) -> None:
    expected().to_parquet(tmp_path / "p.parquet")
    pd.testing.assert_frame_equal(ParquetPrices(tmp_path / "p.parquet").load(), expected())


def test_fields_instruments_and_dates_are_selected(write: Callable[..., Path]) -> None:
    frame = price_source(write(PRICES)).load(["close"], ["S002", "S000"], DAYS[3], str(DAYS[5]))
    wanted = PRICES[PRICES.instrument.isin(["S000", "S002"])]
    wanted = wanted[wanted.datetime.between(DAYS[3], DAYS[5])]
    pd.testing.assert_frame_equal(frame, expected(wanted)[["close"]])
    assert list(frame.index.levels[1]) == ["S000", "S002"]


def test_ticker_symbols_that_look_like_something_else_stay_as_they_are(tmp_path: Path) -> None:
    names = {"S000": "NA", "S001": "NAN", "S002": "0700"}
    write_csv(PRICES.assign(instrument=PRICES.instrument.map(names)), tmp_path / "p.csv")
    found = CsvPrices(tmp_path / "p.csv").load().index.unique("instrument")
    assert sorted(found) == ["0700", "NA", "NAN"]


def test_a_day_may_have_no_close(write: Callable[..., Path]) -> None:
    table = PRICES.copy()
    table.loc[4, "close"] = None
    assert price_source(write(table)).load()["close"].isna().sum() == 1


def test_the_sample_holds_twenty_stocks_over_33_years(home: Path) -> None:
    source = price_source("sample")
    assert isinstance(source, SamplePrices)
    frame = source.load()
    assert frame.index.unique("instrument").size == 20
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert (source.sessions()[0], source.last_session()) == (
        pd.Timestamp("1990-01-02"),
        pd.Timestamp("2022-12-28"),
    )
    assert frame.columns.tolist() == ["close"]
    assert (frame["close"] > 0).all()
    assert list((home / "cache").glob("sample-*.parquet")), "it is not kept for the next process"


@pytest.mark.parametrize("make", [lambda path: SamplePrices(), ParquetPrices], ids=["sample", "p"])
def test_what_a_user_does_with_prices_stays_his_own(tmp_path: Path, make: Any) -> None:
    write_parquet(PRICES, tmp_path / "p.parquet")
    source = make(tmp_path / "p.parquet")
    first = source.load()
    before = first.copy()
    first["close"] = 0.0
    first["more"] = 1.0
    second = source.load()
    second.iloc[:, 0] = -1.0
    pd.testing.assert_frame_equal(source.load(), before)


def test_a_source_sees_that_its_file_was_written_anew(write: Callable[..., Path]) -> None:
    source = price_source(write(PRICES))
    version, last = source.version(), source.last_session()
    write(PRICES[PRICES.datetime < DAYS[-1]])
    assert source.version() != version
    assert (last, source.last_session()) == (DAYS[-1], DAYS[-2])
    write(PRICES)
    assert source.version() == version


# ---- the replay date


def hides(source: PriceSource, day: pd.Timestamp) -> bool:
    """Whether nothing of a source is later than a day, and that day is there."""
    frame = source.load()
    seen = [
        frame.index.get_level_values("datetime").max(),
        frame.index.levels[0].max(),
        source.load(start=DAYS[0], end=DAYS[-1]).index.get_level_values("datetime").max(),
        source.sessions()[-1],
        source.last_session(),
    ]
    return set(seen) == {day}


def test_a_replay_date_hides_later_rows_everywhere(write: Callable[..., Path]) -> None:
    path = write(PRICES)
    whole, source = price_source(path), price_source(path, as_of=DAYS[4])
    assert hides(source, DAYS[4])
    assert source.version() != whole.version()
    assert price_source(source.spec()).version() == source.version()


def test_a_replay_date_between_sessions_shows_the_session_before() -> None:
    assert SamplePrices(as_of="2020-03-01").last_session() == pd.Timestamp("2020-02-28")


def test_a_late_instrument_is_not_known_before_its_first_day(write: Callable[..., Path]) -> None:
    late = PRICES[(PRICES.instrument != "S002") | (PRICES.datetime > DAYS[6])]
    frame = price_source(write(late), as_of=DAYS[6]).load()
    assert list(frame.index.levels[1]) == ["S000", "S001"]


@pytest.mark.parametrize("form", ["path", "description", "source"])
def test_the_setting_as_of_hides_later_rows_of_any_source(tmp_path: Path, form: str) -> None:
    path = tmp_path / "p.parquet"
    write_parquet(PRICES, path)
    spec = {"path": path, "description": {"path": str(path)}, "source": ParquetPrices(path)}[form]
    wf_dagster.init(as_of=str(DAYS[4].date()))
    assert hides(price_source(spec), DAYS[4])


def test_the_settings_name_the_prices(tmp_path: Path) -> None:
    write_csv(PRICES, tmp_path / "p.csv")
    wf_dagster.init(prices=str(tmp_path / "p.csv"), as_of=str(DAYS[4].date()))
    assert hides(price_source(), DAYS[4])


def test_a_date_of_its_own_wins_over_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    write_parquet(PRICES, path)
    wf_dagster.init(as_of=str(DAYS[4].date()))
    assert hides(price_source({"path": str(path), "as_of": str(DAYS[2].date())}), DAYS[2])
    assert hides(price_source(ParquetPrices(path, as_of=DAYS[2])), DAYS[2])
    assert hides(price_source(ParquetPrices(path, as_of=DAYS[2]), as_of=DAYS[1]), DAYS[1])


def test_a_source_of_ones_own_must_know_the_replay_date(tmp_path: Path) -> None:
    class Own:
        as_of = None

        def load(self, *_: Any) -> pd.DataFrame:
            return expected()

        last_session = sessions = version = spec = load

    own = Own()
    assert price_source(own) is own  # type: ignore[comparison-overlap]
    with pytest.raises(DataError, match="as_of=None: make it with the same as_of"):
        price_source(own, as_of="2020-01-03")


def test_a_replay_date_before_all_prices_is_an_error(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="no prices at or before as_of=2019-01-01"):
        price_source(write(PRICES), as_of="2019-01-01").load()


# ---- bad input: one message that names value, place and remedy


def changed(row: int, column: str, value: Any) -> pd.DataFrame:
    table = PRICES.copy()
    table[column] = table[column].astype(object)
    table.loc[row, column] = value
    return table


BAD = {
    "duplicate": (
        pd.concat([PRICES, PRICES.tail(1)]),
        r"1 duplicate rows, the first for S002 on 2020-01-16: keep one row",
    ),
    "unsorted": (
        PRICES.iloc[::-1],
        r"is not sorted: S002 on 2020-01-15 stands after a later date; sort it by datetime",
    ),
    "time zone": (
        PRICES.assign(datetime=PRICES.datetime.dt.tz_localize("Europe/Berlin")),
        r"datetime carries the time zone .*remove it with .dt.tz_localize",
    ),
    "time of day": (
        PRICES.assign(datetime=PRICES.datetime + pd.Timedelta(hours=16)),
        r"row 1: datetime 2020-01-01 16:00:00 has a time of day; "
        "prices are one row a session, and no instrument has two rows of one day",
    ),
    "no close": (PRICES.drop(columns="close"), r"has no column 'close' \(found: datetime, instr"),
    "no instrument": (PRICES.drop(columns="instrument"), r"has no column 'instrument'"),
    "nameless": (changed(3, "instrument", None), r"row 4 has no instrument"),
    "no rows": (PRICES.head(0), r"holds no rows"),
    "not positive": (
        changed(5, "close", -1.0).astype({"close": float}),
        r"row 6: close is not pos",
    ),
    "zero": (changed(5, "close", 0.0).astype({"close": float}), r"row 6: close is not positive"),
    "infinite": (
        changed(5, "close", float("inf")).astype({"close": float}),
        r"row 6: close is inf, not a number",
    ),
    "text": (
        changed(7, "volume", "much").astype({"volume": str}),
        r"row 8: volume is 'much', not a number",
    ),
    "no date": (
        changed(2, "datetime", "soon").astype({"datetime": str}),
        r"row 3: datetime is 'soon', not an ISO date such as 2020-03-01",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_one_clear_error(write: Callable[..., Path], case: str) -> None:
    table, message = BAD[case]
    path = write(table)
    with pytest.raises(DataError, match=message) as caught:
        price_source(path).load()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_csv_with_several_time_zones_is_refused(tmp_path: Path) -> None:
    stamps = ["2020-01-01T00:00:00+00:00", "2020-01-02T00:00:00+02:00"]
    table = pd.DataFrame({"datetime": stamps, "instrument": "A", "close": 1.0})
    write_csv(table, tmp_path / "p.csv")
    with pytest.raises(DataError, match="carries the time zone"):
        CsvPrices(tmp_path / "p.csv").load()


def test_the_same_row_in_two_files_of_a_folder_is_refused(write: Callable[..., Path]) -> None:
    write(PRICES, "folder/a")
    folder = write(PRICES.tail(1), "folder/b").parent
    with pytest.raises(DataError, match=r"hold S002 on 2020-01-16 more than once: keep one row"):
        price_source(folder).load()


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe garbage \x9c" * 9], ids=["empty", "binary"]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"p{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"p{suffix} (cannot be read as|has no column)"):
        price_source(path).load()


def test_a_missing_file_is_named_with_the_setting(tmp_path: Path) -> None:
    for suffix in (".parquet", ".csv"):
        with pytest.raises(DataError, match=r"p\.\w+ does not exist: give its path .* WF_PRICES"):
            price_source(tmp_path / f"p{suffix}").load()


def test_a_folder_without_price_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no price file \(\.parquet, \.csv, \.csv\.gz, "):
        price_source(tmp_path)
    write_parquet(PRICES, tmp_path / "p.parquet")
    with pytest.raises(DataError, match=r"holds no \.csv or .* file, but such as p\.parquet"):
        CsvPrices(tmp_path).load()


@pytest.mark.parametrize("spec", ["smaple", 7, {"file": "p.csv"}, {"path": "sample", "asof": 1}])
def test_what_is_no_price_source_is_refused(spec: Any) -> None:
    with pytest.raises(DataError, match=r"no price source|unknown or missing"):
        price_source(spec)


def test_an_unknown_field_names_the_fields_there_are(write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="has no field 'open': it has close, volume"):
        price_source(write(PRICES)).load(["close", "open"])


def test_a_universe_that_selects_nothing_names_what_is_there(write: Callable[..., Path]) -> None:
    for universe in (["AAPL"], []):
        with pytest.raises(DataError, match=r"select nothing of .* holds S000, S001, S002"):
            price_source(write(PRICES)).load(instruments=universe)


# bars within days


def _bars_table() -> pd.DataFrame:
    return bar_prices("2023-11-21", "2023-11-24", instruments=2).reset_index()


def test_bars_keep_their_times_of_day(write: Callable[..., Path]) -> None:
    path = write(_bars_table())
    source = price_source(str(path))
    assert source.sessions()[0] == pd.Timestamp("2023-11-21 10:00")
    assert source.last_session() == pd.Timestamp("2023-11-24 13:00")
    assert len(source.sessions()) == 13 + 13 + 7
    day = source.load(start="2023-11-22", end="2023-11-22")
    assert len(day) == 13 * 2
    part = source.load(start="2023-11-22 15:30", end="2023-11-24 10:00").index.unique("datetime")
    assert [f"{bar:%d %H:%M}" for bar in part] == ["22 15:30", "22 16:00", "24 10:00"]
    seen = price_source(str(path), "2023-11-22")
    assert seen.last_session() == pd.Timestamp("2023-11-22 16:00")


def test_a_duplicate_bar_and_one_out_of_order_are_named_with_their_time(
    write: Callable[..., Path],
) -> None:
    table = _bars_table()
    twice = pd.concat([table, table.iloc[[5]]]).sort_values(["datetime", "instrument"])
    with pytest.raises(DataError, match=r"BAR1 on 2023-11-21 11:00: keep one row"):
        price_source(str(write(twice))).load()


def test_daily_rows_among_bars_are_refused(write: Callable[..., Path]) -> None:
    table = _bars_table()
    days = table["datetime"].dt.normalize().unique()
    index = pd.DataFrame({"datetime": days, "instrument": "INDEX", "close": 1.0})
    mixed = pd.concat([table, index]).sort_values(["datetime", "instrument"])
    with pytest.raises(DataError, match=r"bars within days, but INDEX has one row a day"):
        price_source(str(write(mixed))).load()
