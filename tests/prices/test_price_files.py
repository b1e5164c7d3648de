"""Price files of all kinds, alone and in folders: what is read of them, and what is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from tests.data.made_prices import made_prices
from wf_dagster.errors import DataError
from wf_dagster.market import price_source
from wf_dagster.prices import CsvPrices, FeatherPrices, ParquetPrices
from wf_dagster.prices.file_tables import PriceTables

PRICES = made_prices(sessions=12, instruments=3)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
EXPECTED = PRICES.set_index(["datetime", "instrument"]).sort_index()


def write(table: pd.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix in (".feather", ".arrow", ".ipc"):
        table.reset_index(drop=True).to_feather(path)
    elif path.suffix == ".zst":
        with pa.output_stream(str(path), compression="zstd") as file:
            file.write(table.to_csv(index=False).encode())
    else:
        table.to_csv(path, index=False)
    return path


def check_loads(path: Path, expected: pd.DataFrame = EXPECTED) -> None:
    pd.testing.assert_frame_equal(price_source(path).load(), expected)


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".parquet", ParquetPrices),
        (".csv", CsvPrices),
        (".csv.gz", CsvPrices),
        (".csv.zst", CsvPrices),
        (".feather", FeatherPrices),
        (".arrow", FeatherPrices),
        (".ipc", FeatherPrices),
        (".CSV", CsvPrices),
    ],
)
def test_each_kind_is_read_alone_and_in_nested_folders(
    tmp_path: Path, suffix: str, kind: type
) -> None:
    path = write(PRICES, tmp_path / f"all{suffix}")
    assert type(price_source(path)) is kind
    check_loads(path)
    for name, part in PRICES.groupby("instrument"):
        write(part, tmp_path / "folder" / str(name)[0] / f"{name}{suffix}")
    check_loads(tmp_path / "folder")


# ---- columns in the names of folders and files


def test_columns_stand_in_the_names_of_folders(tmp_path: Path) -> None:
    table = PRICES.assign(
        year=PRICES.datetime.dt.year, instrument=PRICES.instrument.map(lambda n: f"00{n[1:]}/B")
    )
    for form in ("parquet", "feather", "csv"):
        ds.write_dataset(
            pa.Table.from_pandas(table, preserve_index=False),
            tmp_path / form,
            format=form,
            partitioning=ds.partitioning(
                pa.schema([("year", pa.int64()), ("instrument", pa.string())]), flavor="hive"
            ),
        )
        frame = price_source(tmp_path / form).load()
        assert sorted(frame.index.unique("instrument")) == ["00000/B", "00001/B", "00002/B"]
        wanted = table.astype({"year": float}).set_index(["datetime", "instrument"]).sort_index()
        pd.testing.assert_frame_equal(frame, wanted)


def test_an_instrument_of_a_folder_stays_as_it_is_written(tmp_path: Path) -> None:
    for name in ("00700", "NA", "1E5", "TRUE"):
        part = PRICES[PRICES.instrument == "S000"].drop(columns="instrument")
        write(part, tmp_path / f"instrument={name}" / "part-0.parquet")
    names = price_source(tmp_path).load().index.unique("instrument")
    assert sorted(names) == ["00700", "1E5", "NA", "TRUE"]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".feather"])
def test_files_without_instruments_are_named_by_them(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    names = {"S000": "BRK.B", "S001": "00700", "S002": "NAN"}
    for name, part in PRICES.groupby("instrument"):
        write(part.drop(columns="instrument"), tmp_path / f"{names[str(name)]}{suffix}")
    caplog.set_level(logging.INFO, "wf_dagster.prices")
    renamed = PRICES.assign(instrument=PRICES.instrument.map(names))
    check_loads(tmp_path, renamed.set_index(["datetime", "instrument"]).sort_index())
    assert "each is the instrument of its name, such as 00700" in caplog.text


def test_a_folder_with_and_without_instruments_is_refused(tmp_path: Path) -> None:
    write(PRICES.drop(columns="instrument"), tmp_path / "AAPL.csv")
    write(PRICES, tmp_path / "all.csv")
    with pytest.raises(
        DataError,
        match=r"AAPL\.csv has no column 'instrument', and .*all\.csv has: let all files of .* "
        "have it, or none",
    ):
        price_source(tmp_path).load()


def test_a_file_alone_is_no_instrument(tmp_path: Path) -> None:
    path = write(PRICES.drop(columns="instrument"), tmp_path / "AAPL.csv")
    with pytest.raises(DataError, match=r"AAPL\.csv has no column 'instrument' \(found: datetime"):
        price_source(path).load()


# ---- how days and symbols are written


SPELLINGS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "text": lambda days: days.dt.strftime("%Y-%m-%d"),
    "date": lambda days: days.dt.date,
    "number": lambda days: days.dt.strftime("%Y%m%d").astype(int),
    "seconds": lambda days: days.astype("datetime64[s]"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz", ".feather"])
def test_days_are_read_however_they_are_written(tmp_path: Path, suffix: str, spelling: str) -> None:
    spelled = PRICES.assign(datetime=SPELLINGS[spelling](PRICES.datetime))
    path = write(spelled, tmp_path / f"p{suffix}")
    check_loads(path)
    some = price_source(path).load(["volume"], ["S001"], DAYS[2], DAYS[4])
    wanted = EXPECTED.loc[(slice(DAYS[2], DAYS[4]), ["S001"]), ["volume"]]
    pd.testing.assert_frame_equal(some, wanted)


@pytest.mark.parametrize("number", [1577836800000000000, 20, 20200102.5])
def test_a_number_that_is_no_day_is_refused(tmp_path: Path, number: float) -> None:
    days = PRICES.datetime.dt.strftime("%Y%m%d").astype(type(number))
    days.iloc[1] = number
    path = write(PRICES.assign(datetime=days), tmp_path / "p.parquet")
    with pytest.raises(DataError, match=r"row 2: datetime is the number .*neither an ISO date"):
        price_source(path).load()


@pytest.mark.parametrize("suffix", [".csv", ".csv.zst", ".parquet", ".arrow"])
def test_symbols_stay_text(tmp_path: Path, suffix: str) -> None:
    names = ["NA", "NAN", "TRUE", "1E5", "00700", "null", "-1"]
    table = pd.DataFrame({"datetime": "2020-01-02", "instrument": names, "close": 1.0})
    found = price_source(write(table, tmp_path / f"p{suffix}")).load().index.unique("instrument")
    assert sorted(found) == sorted(names)


def test_truth_values_and_empty_ones_of_a_csv_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    rows = ["2020-01-02,A,1,True,", "2020-01-02,B,,,NA", "2020-01-03,A,2,False,1"]
    path.write_text("\n".join(["datetime,instrument,close,held,x", *rows, ""]))
    frame = price_source(path).load()
    assert frame["held"].dropna().tolist() == [1.0, 0.0]
    assert frame[["close", "held", "x"]].isna().sum().tolist() == [1, 1, 2]


# ---- what is read


@pytest.fixture
def read_columns(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The fields of each reading."""
    asked: list[tuple[str, ...]] = []
    read = PriceTables.read

    def note(self, selection):
        asked.append(selection.fields)
        return read(self, selection)

    monkeypatch.setattr(PriceTables, "read", note)
    return asked


def test_only_the_columns_asked_for_are_read_and_each_once(
    tmp_path: Path, read_columns: list[tuple[str, ...]]
) -> None:
    table = PRICES.assign(high=PRICES.close + 1, low=PRICES.close - 1)
    source = price_source(write(table, tmp_path / "p.parquet"))
    assert source.last_session() == DAYS[-1]
    source.load(["close"], start=DAYS[3])
    assert read_columns == [("close",)]
    pd.testing.assert_frame_equal(
        source.load(["low", "close"]),
        table.set_index(["datetime", "instrument"]).sort_index()[["low", "close"]],
    )
    price_source(tmp_path / "p.parquet", as_of=DAYS[5]).load(["low"])
    assert read_columns == [("close",), ("close", "low")]
    assert source.load().columns.tolist() == ["close", "volume", "high", "low"]
    assert read_columns[2:] == [("close", "volume", "high")]


def test_a_field_of_some_rows_is_held_when_it_is_asked_for_again(
    tmp_path: Path, read_columns: list[tuple[str, ...]]
) -> None:
    source = price_source(write(PRICES, tmp_path / "p.parquet"), as_of=DAYS[9])
    for start, end in [(DAYS[1], DAYS[2]), (DAYS[3], DAYS[5]), (DAYS[8], DAYS[11])]:
        frame = source.load(["volume"], ["S002"], start, end)
        wanted = EXPECTED.loc[(slice(start, min(end, DAYS[9])), ["S002"]), ["volume"]]
        pd.testing.assert_frame_equal(frame, wanted)
    assert read_columns == [("close",), ("close", "volume"), ("close", "volume")]


def test_arrow_leaves_out_the_rows_that_are_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    monkeypatch.setattr(
        "wf_dagster.prices.file_tables.check_long_table",
        lambda table, place: (
            sizes.append(len(table)) or table.set_index(["datetime", "instrument"])
        ),
    )
    source = price_source(write(PRICES, tmp_path / "p.parquet"))
    source.load(["volume"], ["S000", "S001"], DAYS[2], DAYS[4])
    assert sizes == [36, 6]


def test_a_wrong_value_is_named_by_its_row_in_the_file(tmp_path: Path) -> None:
    table = PRICES.astype({"volume": object})
    table.loc[20, "volume"] = "much"
    path = write(table.astype({"volume": str}), tmp_path / "p.parquet")
    with pytest.raises(DataError, match=r"p\.parquet row 21: volume is 'much', not a number"):
        price_source(path).load(["volume"], start=DAYS[5])


# ---- bad folders and files


def test_kinds_of_files_are_not_mixed(tmp_path: Path) -> None:
    write(PRICES, tmp_path / "a.csv")
    write(PRICES, tmp_path / "sub" / "b.parquet")
    with pytest.raises(
        DataError, match=r"holds files of several kinds, such as a\.csv and sub/b\.parquet: keep"
    ):
        price_source(tmp_path)


def test_files_that_are_no_prices_are_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(PRICES, tmp_path / "folder" / "p.parquet").parent
    for name in ("README.txt", "_SUCCESS", ".p.crc", "_delta_log/x.parquet", "prices.xlsx"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no prices")
    check_loads(folder)
    assert "holds 2 files that are no price files and are left out: README.txt, prices.xlsx" in (
        caplog.text
    )


def test_the_same_rows_in_two_files_are_named(tmp_path: Path) -> None:
    write(PRICES, tmp_path / "a.csv.gz")
    write(PRICES.tail(2), tmp_path / "sub" / "b.csv")
    with pytest.raises(
        DataError,
        match=r"the files a\.csv\.gz and sub/b\.csv in .* hold S001 on 2020-01-16 more than once",
    ):
        price_source(tmp_path).load()


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst", ".feather", ".arrow", ".parquet"])
def test_a_file_that_is_something_else_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    path.write_bytes(b"datetime,instrument,close\n" * 40)
    with pytest.raises(DataError, match=rf"p{suffix} cannot be read as (csv|feather|parquet): \w"):
        price_source(path).load()


def test_text_that_looks_like_numbers_on_some_rows_is_text_on_these_too(tmp_path):
    days = pd.bdate_range("2024-01-01", periods=4)
    table = pd.DataFrame(
        {
            "datetime": days.repeat(2),
            "instrument": ["A", "B"] * 4,
            "close": 10.0,
            "group": ["10", "20", "10", "20", "10", "X1", "10", "X1"],
        }
    )
    whole = tmp_path / "whole.parquet"
    table.astype({"group": "category"}).to_parquet(whole)
    early = price_source(whole).load(fields=["group"], end=days[1])
    assert list(early["group"].astype(str)) == ["10", "20", "10", "20"]
    assert isinstance(early["group"].dtype, pd.CategoricalDtype)
