"""What is written as text or as a number, and means a number or a day."""

from __future__ import annotations

from urllib.parse import unquote

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError
from wf_dagster.prices.text_columns import holds_codes

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
# what pandas.read_csv takes for no value
_EMPTY = [
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
]
_TRUTH = {"True": 1.0, "TRUE": 1.0, "true": 1.0, "False": 0.0, "FALSE": 0.0, "false": 0.0}


def partition_of(name: str) -> dict[str, str | None]:
    """``{"year": "2020"}`` of ``year=2020/part-0.parquet``, as Hive writes it."""
    pairs = [part.split("=", 1) for part in name.split("/")[:-1] if "=" in part]
    return {key: None if value == _NO_VALUE else unquote(value) for key, value in pairs}


def parse_text(column: pd.Series, keeps_codes: bool = True) -> pd.Series:
    """The numbers of a column of texts; the texts, where they are none.

    Args:
        column: The texts.
        keeps_codes: Whether codes with zeros in front, such as ``"02"``, stay texts.
    """
    column = column.where(~column.isin(_EMPTY))
    if keeps_codes and holds_codes(column):
        return column
    numbers = pd.to_numeric(column, errors="coerce")
    if (numbers.isna() == column.isna()).all():
        return numbers
    truth = column.map(_TRUTH)
    return truth if (truth.isna() == column.isna()).all() else column


def spell_days(column: pd.Series, place: str) -> pd.Series:
    """Days that are written as numbers, such as 20200102, as texts."""
    if not pd.api.types.is_numeric_dtype(column):
        return column
    wrong = ~column.between(1000_01_01, 9999_12_31) | (column % 1 != 0)
    if wrong.any():
        row = int(np.flatnonzero(wrong.to_numpy())[0])
        raise DataError(
            f"{place} row {row + 1}: datetime is the number {column.iloc[row]}, neither an ISO "
            "date such as 2020-03-01 nor one like 20200301"
        )
    return column.astype("int64").astype(str)
