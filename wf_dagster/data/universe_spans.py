"""Members of a universe that changes over time, as spans: ``instrument``, ``start``, ``end``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError
from wf_dagster.tables.parquet_reader import read_parquet

COLUMNS = ["instrument", "start", "end"]
_FOR_EVER = pd.Timestamp("2200-01-01")
_FLAGS = {"true": True, "false": False, "1": True, "0": False, "": None}
_EVER_SINCE = pd.Timestamp("1700-01-01")


def read_file(path: Path) -> pd.DataFrame:
    """The spans of a file: Qlib's instrument file, or a frame as CSV or Parquet.

    Raises:
        DataError: It is not there or cannot be read, or a line is malformed.
    """
    if not path.is_file():
        raise DataError(f"instruments: the file {str(path)!r} is not there")
    try:
        if path.suffix.lower() == ".parquet":
            return spans_of_frame(read_parquet(path), str(path))
        if path.suffix.lower() == ".csv":
            return spans_of_frame(_read_csv(path), str(path))
        return _read_qlib(path)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"instruments: {str(path)!r} cannot be read: {reason}") from error


def _read_csv(path: Path) -> pd.DataFrame:
    """The frame of a CSV file, with codes as they are written: "000001" and "NA" are names."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if set(COLUMNS) <= set(table.columns):
        return table
    first = table.columns[0]  # a column of days without a name is an index that was written
    days = "datetime" if "datetime" in table.columns else first
    if pd.to_datetime(table[days], errors="coerce", format="ISO8601").isna().any():
        return table
    flags = table.set_index(days).map(lambda text: _FLAGS.get(text.strip().lower(), text))
    flags.index.name = None
    return flags


def _read_qlib(path: Path) -> pd.DataFrame:
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    for number, line in enumerate(lines, 1):
        if len(line) != len(COLUMNS) and line != [""]:
            raise DataError(
                f"instruments: {str(path)!r} line {number} is {chr(9).join(line)!r}: an instrument "
                "file has a name, a start and an end in each line, separated by tabs"
            )
    return _check_spans(
        pd.DataFrame([line for line in lines if line != [""]], columns=COLUMNS), str(path)
    )


def spans_of_frame(frame: pd.DataFrame, place: str) -> pd.DataFrame:
    """The spans of a frame.

    Args:
        frame: Columns ``instrument``, ``start``, ``end``, an empty end being open; or days times
            instruments, ``True`` for a member: a row holds until the next one. Days stand in
            the index, or in a column ``datetime``.
        place: Where it is from, for messages.

    Raises:
        DataError: It is neither, or a day is none.
    """
    if set(COLUMNS) <= set(frame.columns):
        return _check_spans(frame[COLUMNS], place)
    if "datetime" in frame.columns:
        frame = frame.set_index("datetime")
    days = pd.to_datetime(pd.Series(frame.index), errors="coerce", format="ISO8601")
    if frame.empty or days.isna().any() or pd.api.types.is_integer_dtype(frame.index.dtype):
        raise DataError(
            f"instruments: {place} has neither the columns instrument, start, end nor days as its "
            f"rows: it has the columns {', '.join(map(str, frame.columns[:5]))}"
        )
    values = frame.to_numpy(dtype=object)
    is_member = np.asarray(values == True, dtype=bool)  # noqa: E712  # of each value
    is_flag = is_member | np.asarray(values == False, dtype=bool) | pd.isna(values)  # noqa: E712
    if not is_flag.all():
        row, column = np.argwhere(~is_flag)[0]
        raise DataError(
            f"instruments: {place} holds {values[row, column]!r} for {frame.columns[column]} on "
            f"{days[row]:%Y-%m-%d}: a frame of days times instruments holds True and False"
        )
    if days.duplicated().any():
        raise DataError(
            f"instruments: {place} holds {days[days.duplicated()].iloc[0]:%Y-%m-%d} twice"
        )
    order = np.argsort(days.to_numpy())
    names = list(map(str, frame.columns))
    return _runs(pd.DatetimeIndex(days.to_numpy()[order]), is_member[order], names)


def spans_of_days(members: Callable[[pd.Timestamp], Any], days: pd.DatetimeIndex) -> pd.DataFrame:
    """The spans of what a function gives for each day.

    Args:
        members: Gives the names that belong to the universe on a day.
        days: Sorted and unique.

    Raises:
        DataError: It gives something else than names.
    """
    of_day = []
    for day in days:
        names = members(day)
        if names is None or isinstance(names, (str, bytes)) or not np.iterable(names):
            raise DataError(
                f"the function of instruments gives {names!r} for {day:%Y-%m-%d}: it is to give a "
                "list of names"
            )
        of_day.append(set(map(str, names)))
    known = sorted(set().union(*of_day))
    place = {name: number for number, name in enumerate(known)}
    flags = np.zeros((len(days), len(known)), dtype=bool)
    for row, names in enumerate(of_day):
        flags[row, [place[name] for name in names]] = True
    return _runs(days, flags, known)


def _runs(days: pd.DatetimeIndex, members: Any, names: list[str]) -> pd.DataFrame:
    """Each run of days on which an instrument belongs, from its first day to before the next."""
    edge = np.zeros((1, members.shape[1]), dtype=int)
    change = np.diff(np.vstack([edge, members.astype(int), edge]), axis=0)
    column, first = np.nonzero(change.T == 1)
    _, after = np.nonzero(change.T == -1)
    ends = (days[1:] - pd.Timedelta(days=1)).append(pd.DatetimeIndex([_FOR_EVER]))
    return pd.DataFrame(
        {
            "instrument": [names[number] for number in column],
            "start": days[first],
            "end": ends[after - 1],
        }
    )


def _check_spans(spans: pd.DataFrame, place: str) -> pd.DataFrame:
    """Spans with days: an empty end is open."""
    checked: dict[str, pd.Series] = {"instrument": spans["instrument"].astype(str)}
    for column, empty in (("start", _EVER_SINCE), ("end", _FOR_EVER)):
        written = spans[column]
        is_open = written.isna() | (written.astype(str).str.strip() == "")
        days = pd.to_datetime(written.where(~is_open), errors="coerce", format="ISO8601")
        # '9999-12-31' for "for ever" has no nanoseconds
        is_far = written.astype(str).str.fullmatch(r"(2[3-9]|[3-9]\d)\d\d-\d\d-\d\d.*")
        wrong = days.isna() & ~is_open & ~is_far
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"instruments: {place} row {row + 1}: {column} is {written.iloc[row]!r}, not an "
                "ISO date such as 2020-03-01"
            )
        checked[column] = days.mask(is_open | is_far, empty).astype("datetime64[ns]")
    result = pd.DataFrame(checked).reset_index(drop=True)
    turned = result["start"] > result["end"]
    if turned.any():
        row = int(np.flatnonzero(turned)[0])
        raise DataError(
            f"instruments: {place} row {row + 1}: {result['instrument'][row]} starts after it ends"
        )
    return result
