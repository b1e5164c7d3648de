"""What a panel's values lack: infinite ones that count as missing, and rows without a value."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.log_once import warn_once

_log = logging.getLogger(__name__)
_LISTED = 8


@dataclass(frozen=True)
class ValueNotes:
    """What was seen when the values of a panel were computed.

    Attributes:
        rows: The row of each infinite value.
        columns: Its column.
        is_positive: Whether it is plus infinity.
        days: Sorted days, ``datetime64[D]``, of the two counts.
        expected: ``(days, columns)``: rows on which the column could have a value. The rows of an
            instrument count from where the column first has one for any instrument: what a
            window needs before is not missing. Of labels the same from the end.
        missing: ``(days, columns)``: those of them without a value.
        empty: Columns that have no value at all.
    """

    rows: np.ndarray[Any, Any]
    columns: np.ndarray[Any, Any]
    is_positive: np.ndarray[Any, Any]
    days: np.ndarray[Any, Any]
    expected: np.ndarray[Any, Any]
    missing: np.ndarray[Any, Any]
    empty: np.ndarray[Any, Any]

    def to_bytes(self) -> bytes:
        """As a note that is kept with a table."""
        file = io.BytesIO()
        np.savez_compressed(file, **{**vars(self), "days": self.days.astype("int64")})
        return file.getvalue()

    @classmethod
    def from_bytes(cls, note: bytes) -> ValueNotes:
        """From a note that is kept with a table."""
        with np.load(io.BytesIO(note), allow_pickle=False) as parts:
            values = {name: parts[name] for name in parts.files}
        return cls(**{**values, "days": values["days"].astype("datetime64[D]")})

    def with_infinite(
        self, values: np.ndarray[Any, Any], low: int, wanted: np.ndarray[Any, Any]
    ) -> np.ndarray[Any, Any]:
        """Rows of the panel with their infinite values: a copy, if they have any.

        Args:
            values: The rows from ``low`` on.
            low: The first row.
            wanted: Columns in which infinite values are put back.
        """
        here = (self.rows >= low) & (self.rows < low + len(values))
        here &= np.isin(self.columns, wanted)
        if not here.any():
            return values
        values = values.copy()
        sign = np.where(self.is_positive[here], np.inf, -np.inf)
        values[self.rows[here] - low, self.columns[here]] = sign
        return values

    def missing_shares(self, first: Any = None, last: Any = None) -> np.ndarray[Any, Any]:
        """The share of missing values of each column, between two days, both included.

        1 for a column that is empty everywhere, NaN where none could have a value.
        """
        low = 0 if first is None else int(np.searchsorted(self.days, first, "left"))
        high = len(self.days) if last is None else int(np.searchsorted(self.days, last, "right"))
        expected = self.expected[low:high].sum(axis=0)
        missing = self.missing[low:high].sum(axis=0)
        shares = np.full(len(expected), np.nan)
        np.divide(missing, expected, out=shares, where=expected > 0)
        return np.where(self.empty, 1.0, shares)


def take_notes(
    values: np.ndarray[Any, Any],
    rows: pd.MultiIndex,
    is_label: np.ndarray[Any, Any],
    belongs: np.ndarray[Any, Any],
) -> ValueNotes:
    """Make infinite values missing, in place, and note where they were and what is missing.

    Args:
        values: ``(rows, columns)``.
        rows: ``(datetime, instrument)``, sorted.
        is_label: Of each column, whether it looks ahead.
        belongs: Of each row, whether it becomes one of the panel; notes are of those alone.
    """
    days = rows.get_level_values("datetime").to_numpy().astype("datetime64[D]")[belongs]
    unique, day = np.unique(days, return_inverse=True)
    since, until = _positions(rows)
    number = np.cumsum(belongs) - 1  # of a row in the panel
    shape = len(unique), values.shape[1]
    expected, missing = np.zeros(shape, dtype="int32"), np.zeros(shape, dtype="int32")
    empty = np.zeros(shape[1], dtype=bool)
    places, signs = [], []
    for column, ahead in enumerate(is_label):
        infinite = np.flatnonzero(np.isinf(values[:, column]))
        of_panel = infinite[belongs[infinite]]
        places.append(number[of_panel])
        signs.append(values[of_panel, column] > 0)
        values[infinite, column] = np.nan
        lacks = np.isnan(values[:, column])
        position = until if ahead else since
        start = len(rows) if lacks.all() else position[~lacks].min()
        could, lacks = (position >= start)[belongs], lacks[belongs]
        empty[column] = lacks.all()
        expected[:, column] = np.bincount(day[could], minlength=len(unique))
        missing[:, column] = np.bincount(day[could & lacks], minlength=len(unique))
    return ValueNotes(
        rows=np.concatenate(places),
        columns=np.repeat(np.arange(shape[1]), [len(place) for place in places]),
        is_positive=np.concatenate(signs),
        days=unique,
        expected=expected,
        missing=missing,
        empty=empty,
    )


def _positions(rows: pd.MultiIndex) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """How many rows its instrument has before and after each row."""
    codes = pd.Series(np.asarray(rows.codes[1]))
    grouped = codes.groupby(codes, sort=False)
    return grouped.cumcount().to_numpy(), grouped.cumcount(ascending=False).to_numpy()


def report(notes: ValueNotes, columns: Sequence[Any], index: Any, place: str) -> None:
    """Say in the log what is infinite and what is missing, once a process for each table.

    Args:
        notes: Those of the table.
        columns: Its columns ``(group, name)``.
        index: Its rows.
        place: Where the prices are from.
    """
    if len(notes.rows):
        counts = np.bincount(notes.columns, minlength=len(columns))
        first = index[int(notes.rows.min())]
        warn_once(
            _log,
            f"{len(notes.rows)} infinite values count as missing, the first for {first[1]} on "
            f"{first[0]:%Y-%m-%d}, in {_list(columns, counts, f' of {len(index)} rows')} (computed "
            f"from {place}); ProcessInf or Winsorize as the first of infer_processors gives them "
            "a value",
        )
    shares = np.where(notes.empty, 0.0, np.nan_to_num(notes.missing_shares()))
    if (shares > 0).any():
        percents = np.array([float(f"{100 * share:.2g}") for share in shares])
        warn_once(
            _log,
            "missing beyond what windows need: "
            f"{_list(columns, percents, ' % of the rows')} (computed from {place})",
        )
    if notes.empty.any():
        warn_once(
            _log,
            f"no value at all: {_list(columns, notes.empty.astype(int), '')} (computed from "
            f"{place}): the prices are shorter than the window, or have gaps in each window",
        )


def _list(columns: Sequence[Any], amounts: np.ndarray[Any, Any], unit: str) -> str:
    """The columns with an amount, largest first."""
    order = [n for n in np.argsort(-amounts, kind="stable") if amounts[n] > 0]
    parts = [
        f"{columns[n][0]} {columns[n][1]}" + (f": {amounts[n]:g}{unit}" if unit else "")
        for n in order[:_LISTED]
    ]
    more = f" and {len(order) - _LISTED} more columns" if len(order) > _LISTED else ""
    return ", ".join(parts) + more
