"""A price file in long format, checked row by row before anything is computed from it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError
from wf_dagster.moments import format_moment
from wf_dagster.prices.text_columns import to_numbers, to_text

KEYS = ["datetime", "instrument"]


def check_long_table(table: pd.DataFrame, place: str) -> pd.DataFrame:
    """A long table (``datetime``, ``instrument``, fields) as a frame of prices.

    Args:
        table: Read from a file; the keys may also stand in its index.
        place: Where it was read, for messages.

    Returns:
        Rows ``(datetime, instrument)``, sorted and unique; float64 columns, text as categories.

    Raises:
        DataError: Names the first offending row or column and the remedy.
    """
    if set(KEYS) & {name for name in table.index.names if name}:
        table = table.reset_index()
    missing = [key for key in [*KEYS, "close"] if key not in table.columns]
    if missing:
        columns = ", ".join(map(str, table.columns)) or "none"
        raise DataError(
            f"{place} has no column {missing[0]!r} (found: {columns}): a price file has the "
            "columns datetime, instrument, close and further fields"
        )
    if table.empty:
        raise DataError(f"{place} holds no rows")
    table = table.assign(datetime=_stamps(table["datetime"], place))
    nameless = table["instrument"].isna() | (table["instrument"] == "")
    if nameless.any():
        raise DataError(f"{place} row {_row(nameless)} has no instrument")
    duplicated = table.duplicated(KEYS)
    if duplicated.any():
        first = table[duplicated].iloc[0]
        raise DataError(
            f"{place} holds {int(duplicated.sum())} duplicate rows, the first for "
            f"{first['instrument']} on {format_moment(first['datetime'])}: keep one row for each "
            "datetime and instrument"
        )
    _check_order(table, place)
    _check_times(table, place)
    fields = [column for column in table.columns if column not in KEYS]
    for field in fields:
        values = to_numbers(table[field])
        text = to_text(table[field], values.notna())
        if text is not None:
            table[field] = text
            continue
        wrong = (values.isna() & table[field].notna()) | np.isinf(values)
        if wrong.any():
            value = table.loc[wrong, field].iloc[0]
            wrong_value = repr(value) if isinstance(value, str) else value
            raise DataError(
                f"{place} row {_row(wrong)}: {field} is {wrong_value}, not a number; a "
                "column is all numbers or all text"
            )
        table[field] = values.astype("float64")
    wrong = table["close"] <= 0
    if wrong.any():
        raise DataError(f"{place} row {_row(wrong)}: close is not positive; leave it empty instead")
    return table.assign(instrument=_names(table["instrument"], place)).set_index(KEYS).sort_index()


def _names(column: pd.Series, place: str) -> pd.Series:
    """Instruments as texts: 700.0, a whole number beside which something is missing, as "700"."""
    if pd.api.types.is_bool_dtype(column):
        raise DataError(
            f"{place}: instrument holds truth values, such as {column.iloc[0]}: a program has read "
            "names such as TRUE as these; write them as texts"
        )
    if not pd.api.types.is_float_dtype(column):
        return column.astype(str)
    wrong = column % 1 != 0
    if wrong.any():
        raise DataError(
            f"{place} row {_row(wrong)}: instrument is the number {column[wrong].iloc[0]}: names "
            "are texts, codes are whole numbers or texts"
        )
    return column.astype("int64").astype(str)


def _stamps(column: pd.Series, place: str) -> pd.Series:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # mixed time zones, refused below
        days = pd.to_datetime(column, errors="coerce", format="ISO8601")
    if days.isna().any():
        value = column[days.isna()].iloc[0]
        raise DataError(
            f"{place} row {_row(days.isna())}: datetime is {value!r}, not an ISO date such as "
            "2020-03-01"
        )
    zone = getattr(days.iloc[0], "tz", None)
    if zone is not None or days.dtype == object:
        raise DataError(
            f"{place}: datetime carries the time zone {zone}; a session is a date, or a bar in the "
            "time of its exchange, remove it with .dt.tz_localize(None)"
        )
    return days.astype("datetime64[ns]")


def _check_times(table: pd.DataFrame, place: str) -> None:
    """Times of day are those of bars, of which instruments have several a day."""
    stamps = table["datetime"]
    days = stamps.dt.normalize()
    timed = stamps != days
    if not timed.any():
        return
    if not pd.DataFrame({"day": days, "instrument": table["instrument"]}).duplicated().any():
        raise DataError(
            f"{place} row {_row(timed)}: datetime {stamps[timed].iloc[0]} has a time of day; "
            "prices are one row a session, and no instrument has two rows of one day, as bars "
            "within days have: remove the time with .dt.normalize()"
        )
    has_bars = timed.groupby(table["instrument"]).any()
    # at midnight one of the bars of a market that never closes begins
    if not has_bars.all() and not (~timed & table["instrument"].map(has_bars)).any():
        name = has_bars.index[~has_bars][0]
        raise DataError(
            f"{place} holds bars within days, but {name} has one row a day, without a time of day: "
            "keep daily prices in a file of their own"
        )


def _check_order(table: pd.DataFrame, place: str) -> None:
    """Sorted by date, or by instrument and then date: anything else is a damaged export."""
    days = table["datetime"].to_numpy()
    if (np.diff(days) >= np.timedelta64(0)).all():
        return
    back = table.groupby("instrument", sort=False)["datetime"].diff() < pd.Timedelta(0)
    if back.any():
        first = table[back].iloc[0]
        raise DataError(
            f"{place} is not sorted: {first['instrument']} on {format_moment(first['datetime'])} "
            "stands after a later date; sort it by datetime and instrument"
        )


def _row(mask: pd.Series) -> int:
    return int(np.flatnonzero(mask.to_numpy())[0]) + 1
