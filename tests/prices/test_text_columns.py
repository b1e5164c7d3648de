"""Text columns of price files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tests.data.made_prices import made_prices
from wf_dagster.errors import DataError
from wf_dagster.prices import CsvPrices, ParquetPrices

PRICES = made_prices(sessions=10, instruments=3)
NAMES = {"S000": "Tech", "S001": "Bank", "S002": None}
TEXT = PRICES.assign(industry=PRICES["instrument"].map(NAMES))


def write(prices: pd.DataFrame, folder: Path, name: str = "prices.parquet") -> Path:
    prices.to_parquet(folder / name)
    return folder / name


@pytest.mark.parametrize("kind", ["parquet", "csv", "category", "string"])
def test_text_stays_text(tmp_path: Path, kind: str) -> None:
    if kind == "csv":
        TEXT.to_csv(tmp_path / "prices.csv", index=False)
        source = CsvPrices(tmp_path / "prices.csv")
    else:
        dtype = "object" if kind == "parquet" else kind
        source = ParquetPrices(write(TEXT.astype({"industry": dtype}), tmp_path))
    prices = source.load()
    assert isinstance(prices["industry"].dtype, pd.CategoricalDtype)
    assert prices["close"].dtype == "float64"
    by_name = prices["industry"].astype(object).groupby("instrument").unique()
    assert by_name["S000"].tolist() == ["Tech"]
    assert pd.isna(by_name["S002"]).all()
    assert source.load(["industry"], ["S001"], DAYS[3])["industry"].tolist() == ["Bank"] * 7


DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())


def test_an_empty_text_is_missing(tmp_path: Path) -> None:
    prices = ParquetPrices(write(TEXT.fillna({"industry": ""}), tmp_path)).load()
    assert prices["industry"].isna().sum() == 10
    assert prices["industry"].cat.categories.tolist() == ["Bank", "Tech"]


def test_codes_are_numbers(tmp_path: Path) -> None:
    codes = PRICES.assign(industry=PRICES["instrument"].map({"S000": "10", "S001": "20"}))
    prices = ParquetPrices(write(codes, tmp_path)).load()
    assert prices["industry"].dtype == "float64"
    assert prices["industry"].dropna().unique().tolist() == [10, 20]
    in_categories = write(codes.astype({"industry": "category"}), tmp_path, "other.parquet")
    assert ParquetPrices(in_categories).load()["industry"].dtype == "float64"


def test_codes_of_digits_and_letters_are_text_as_categories(tmp_path: Path) -> None:
    codes = PRICES.assign(industry=PRICES["instrument"].map({"S000": "10", "S001": "44-45"}))
    with pytest.raises(DataError, match=r"row 2: industry is '44-45', not a number; .* all text"):
        ParquetPrices(write(codes, tmp_path)).load()
    prices = ParquetPrices(write(codes.astype({"industry": "category"}), tmp_path, "b.parquet"))
    assert prices.load()["industry"].cat.categories.tolist() == ["10", "44-45"]


@pytest.mark.parametrize("column", ["close", "volume"])
def test_a_stray_text_among_numbers_is_still_refused(tmp_path: Path, column: str) -> None:
    prices = PRICES.astype({column: object})
    prices.loc[4, column] = "n.a."
    prices.to_csv(tmp_path / "prices.csv", index=False)
    with pytest.raises(DataError, match=rf"row 5: {column} is 'n.a.', not a number"):
        CsvPrices(tmp_path / "prices.csv").load()


def test_a_volume_of_text_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 1: volume is 'none', not a number"):
        ParquetPrices(write(PRICES.assign(volume="none"), tmp_path)).load()


def test_the_categories_of_several_files_are_those_of_all(tmp_path: Path) -> None:
    write(TEXT[:15], tmp_path, "a.parquet")
    write(TEXT[15:].assign(industry="Shops"), tmp_path, "b.parquet")
    prices = ParquetPrices(tmp_path).load()
    assert prices["industry"].cat.categories.tolist() == ["Bank", "Shops", "Tech"]
    assert prices["industry"].astype(object).value_counts()["Shops"] == 15


def test_text_in_one_file_and_numbers_in_another_is_refused(tmp_path: Path) -> None:
    write(TEXT[:15], tmp_path, "a.parquet")
    write(TEXT[15:].assign(industry=7.0), tmp_path, "b.parquet")
    with pytest.raises(DataError, match=r"industry is text in one file and 7\.0 in another"):
        ParquetPrices(tmp_path).load()


def test_a_file_without_any_text_in_the_column_joins_the_others(tmp_path: Path) -> None:
    write(TEXT[:15], tmp_path, "a.parquet")
    write(TEXT[15:].assign(industry=None), tmp_path, "b.parquet")
    assert ParquetPrices(tmp_path).load()["industry"].notna().sum() == 10
