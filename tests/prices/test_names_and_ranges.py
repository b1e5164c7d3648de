"""Names of instruments stay as they are written, and ranges of dates run forward."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster import Market
from wf_dagster.data import PanelDataset
from wf_dagster.data.universe import Universe
from wf_dagster.errors import CalendarError, DataError
from wf_dagster.prices import CsvPrices, FeatherPrices, FrameSource, ParquetPrices, SqlPrices

PRICES = made_prices(sessions=10, instruments=5)
NAMES = ["000001", "02", "NA", "NULL", "TRUE"]
WRITTEN = PRICES.assign(
    instrument=PRICES["instrument"].map(
        dict(zip(PRICES["instrument"].unique(), NAMES, strict=True))
    )
).sort_values(["datetime", "instrument"])
KINDS = ["csv", "parquet", "feather", "sql", "folder", "hive"]


def write(kind: str, folder: Path, prices: pd.DataFrame = WRITTEN) -> FrameSource:
    """The prices as a source of a kind."""
    prices = prices.reset_index(drop=True)
    if kind == "csv":
        prices.to_csv(folder / "prices.csv", index=False)
        return CsvPrices(folder / "prices.csv")
    if kind == "parquet":
        prices.to_parquet(folder / "prices.parquet")
        return ParquetPrices(folder / "prices.parquet")
    if kind == "feather":
        prices.to_feather(folder / "prices.feather")
        return FeatherPrices(folder / "prices.feather")
    if kind == "sql":
        with sqlite3.connect(folder / "prices.db") as connection:
            prices.to_sql("prices", connection, index=False)
        return SqlPrices(f"sqlite:///{folder}/prices.db#prices")
    for name, rows in prices.groupby("instrument"):
        place = folder / "all" / (f"instrument={name}" if kind == "hive" else "")
        place.mkdir(parents=True, exist_ok=True)
        file = place / ("part.csv" if kind == "hive" else f"{name}.csv")
        rows.drop(columns="instrument").to_csv(file, index=False)
    return CsvPrices(folder / "all")


@pytest.mark.parametrize("kind", KINDS)
def test_codes_and_words_stay_names(kind: str, tmp_path: Path) -> None:
    source = write(kind, tmp_path)
    assert sorted(source.load().index.unique("instrument")) == NAMES
    assert list(source.load(instruments=["02", "NA"]).index.unique("instrument")) == ["02", "NA"]


@pytest.mark.parametrize("kind", ["csv", "parquet", "feather", "sql"])
def test_whole_numbers_are_names_too(kind: str, tmp_path: Path) -> None:
    numbers = dict(zip(PRICES["instrument"].unique(), [1, 20, 300, 4, 5], strict=True))
    prices = PRICES.assign(instrument=PRICES["instrument"].map(numbers))
    source = write(kind, tmp_path, prices.sort_values(["datetime", "instrument"]))
    for asked in ([1, 300], ["1", "300"], pd.Series([1, 300])):
        assert sorted(source.load(instruments=asked).index.unique("instrument")) == ["1", "300"]
        assert Universe.of(asked, source).names == ["1", "300"]


def test_whole_numbers_that_became_floats_are_names_too(tmp_path: Path) -> None:
    numbers = dict(zip(PRICES["instrument"].unique(), [1.0, 2.0, 3.0, 4.0, 5.0], strict=True))
    prices = PRICES.assign(instrument=PRICES["instrument"].map(numbers))
    source = write("parquet", tmp_path, prices)
    assert sorted(source.load().index.unique("instrument")) == ["1", "2", "3", "4", "5"]
    prices["instrument"] += 0.5
    with pytest.raises(DataError, match=r"row 1: instrument is the number 1\.5: names are texts"):
        write("parquet", tmp_path, prices).load()
    with pytest.raises(DataError, match="instrument holds truth values, such as True"):
        write("parquet", tmp_path, PRICES.assign(instrument=True).iloc[[0, 5]]).load()


def test_a_code_that_lost_its_zeros_is_told_the_one_that_has_them(tmp_path: Path) -> None:
    source = write("csv", tmp_path)
    with pytest.raises(DataError, match=r"'1' \(nearest: 000001\); '2' \(nearest: 02\)"):
        Universe.of([1, 2], source).load(source)


@pytest.mark.parametrize("kind", ["csv", "parquet", "qlib"])
def test_members_files_keep_names(kind: str, tmp_path: Path) -> None:
    source = write("csv", tmp_path)
    spans = pd.DataFrame({"instrument": NAMES, "start": "2000-01-03", "end": "2099-12-31"})
    file = tmp_path / {"csv": "members.csv", "parquet": "m.parquet", "qlib": "m.txt"}[kind]
    if kind == "parquet":
        spans.to_parquet(file)
    else:
        spans.to_csv(file, index=False, header=kind == "csv", sep="," if kind == "csv" else "\t")
    for instruments in (file, str(file)):
        assert Universe.of(instruments, source).names == NAMES
        segments = {"train": (None, None)}
        dataset = PanelDataset(segments, instruments=instruments, market=Market(source))
        assert dataset.instruments == instruments


def test_a_text_is_no_list_of_letters(tmp_path: Path) -> None:
    source = write("parquet", tmp_path)
    for text in ("NA", "members.txt"):
        with pytest.raises(DataError, match=rf"instruments='{text}' is one text: give a list"):
            source.load(instruments=text)
        with pytest.raises(DataError, match="is one text"):
            source.load(["close"], instruments=text, start="2000-01-03")


@pytest.mark.parametrize("kind", ["csv", "parquet", "sql"])
def test_a_reversed_range_says_so(kind: str, tmp_path: Path) -> None:
    source = write(kind, tmp_path)
    days = source.sessions()
    with pytest.raises(CalendarError, match=r"the range from .* is reversed: it ends before it"):
        source.load(start=days[3], end=days[1])
    assert len(source.load(start=days[1], end=days[1])) == 5
    dataset = PanelDataset({"train": (None, None)}, market=Market(source))
    with pytest.raises(CalendarError, match="is reversed"):
        dataset.prepare(slice(days[3], days[1]))


AMBIGUOUS = ["02/01/2018", "2-1-2018", "02.01.18", "13/01/2018", "02/01/2018 10:30"]


@pytest.mark.parametrize("date", AMBIGUOUS)
def test_a_date_that_is_two_is_refused(date: str, tmp_path: Path) -> None:
    source = write("parquet", tmp_path)
    asked: list[Any] = [
        lambda: source.load(start=date),
        lambda: source.at(date),
        lambda: Market("sample", as_of=date),
        lambda: Market(source).calendar.index(date),
        lambda: PanelDataset({"train": (date, None)}, market=Market(source)).prepare("train"),
    ]
    for ask in asked:
        with pytest.raises(CalendarError, match=r"is ambiguous: day and month can be taken"):
            ask()


@pytest.mark.parametrize("kind", ["csv", "parquet", "sql"])
def test_codes_of_a_field_keep_their_zeros(kind: str, tmp_path: Path) -> None:
    industry = dict(zip(NAMES, ["02", "15", "02", "15", "45"], strict=True))
    prices = WRITTEN.assign(industry=WRITTEN["instrument"].map(industry))
    loaded = write(kind, tmp_path, prices).load(["industry"])["industry"]
    assert loaded.groupby("instrument").first().astype(str).to_dict() == industry


def test_codes_of_a_field_in_several_files_keep_their_zeros(tmp_path: Path) -> None:
    industry = dict(zip(NAMES, ["02", "15", "02", "15", "45"], strict=True))
    prices = WRITTEN.assign(industry=WRITTEN["instrument"].map(industry))
    loaded = write("folder", tmp_path, prices).load(["industry"])["industry"]
    assert loaded.groupby("instrument").first().astype(str).to_dict() == industry
