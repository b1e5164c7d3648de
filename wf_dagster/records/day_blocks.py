"""Scores and labels as blocks of rows, one block a day, computed without a loop over days."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from wf_dagster.errors import RecordError
from wf_dagster.records.rounding import ROUNDING
from wf_dagster.records.row_kinds import find_unlike_rows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DAYS = "datetime"


def check_rows(pred: pd.Series, label: pd.Series) -> None:
    """Refuse scores and labels whose rows cannot be paired.

    Raises:
        RecordError: A row is there twice, or the rows are named differently or not by day.
    """
    for name, series in (("predictions", pred), ("labels", label)):
        if DAYS not in series.index.names:
            raise RecordError(
                f"{name} have rows named {list(series.index.names)}: one must be {DAYS!r}"
            )
        if not series.index.is_unique:
            twice = series.index[series.index.duplicated()][0]
            raise RecordError(f"{name} have the row {twice} twice: keep one of them")
    if pred.index.names != label.index.names:
        raise RecordError(
            f"predictions have rows named {list(pred.index.names)}, labels have "
            f"{list(label.index.names)}: they must be the same"
        )
    if (unlike := find_unlike_rows({"predictions": pred.index, "labels": label.index})) is not None:
        raise RecordError(f"predictions and labels have no row in common: {unlike}")


def sort_by_day(pred: pd.Series, label: pd.Series) -> tuple[Floats, Floats, Ints, pd.DatetimeIndex]:
    """Scores and labels row by row, in the order of their days' positions in all days."""
    check_rows(pred, label)
    if not pred.index.equals(label.index):
        pred, label = pred.align(label, join="outer")
    codes, index = pd.factorize(pred.index.get_level_values(DAYS), sort=True)
    if len(codes) and codes.min() < 0:
        raise RecordError("predictions or labels have rows without a date (NaT): drop them")
    score = pred.to_numpy(dtype="float64", na_value=np.nan)
    truth = label.to_numpy(dtype="float64", na_value=np.nan)
    if np.any(codes[1:] < codes[:-1]):
        order = np.argsort(codes, kind="stable")
        score, truth, codes = score[order], truth[order], codes[order]
    return score, truth, codes, pd.DatetimeIndex(index, name=DAYS)


def find_day_blocks(days: Ints) -> tuple[Ints, Ints]:
    """Where each day starts, and how many rows it has."""
    starts = np.flatnonzero(np.r_[True, days[1:] != days[:-1]]) if len(days) else days
    return starts, np.diff(np.r_[starts, len(days)])


def average_blocks(values: Floats, chosen: npt.NDArray[np.bool_], starts: Ints) -> Floats:
    """Mean of each block's chosen values that are no NaN."""
    counted = chosen & ~np.isnan(values)
    sums = np.add.reduceat(np.where(counted, values, 0.0), starts)
    with np.errstate(invalid="ignore"):
        means: Floats = sums / np.add.reduceat(counted.astype("int64"), starts)
    return means


def correlate_blocks(x: Floats, y: Floats, starts: Ints, counts: Ints) -> Floats:
    """Pearson's correlation of each block; two passes, so that large means cost no digits."""
    with np.errstate(invalid="ignore", divide="ignore"):
        dx, dy = _centre(x, starts, counts), _centre(y, starts, counts)
        correlation = np.add.reduceat(dx * dy, starts) / np.sqrt(
            np.add.reduceat(dx * dx, starts) * np.add.reduceat(dy * dy, starts)
        )
    correlation[flat_blocks(x, starts) | flat_blocks(y, starts)] = np.nan
    clipped: Floats = np.clip(correlation, -1, 1)
    return clipped


def flat_blocks(x: Floats, starts: Ints) -> npt.NDArray[np.bool_]:
    """Which blocks do not vary: their values are equal up to rounding."""
    # the values are compared, as the mean of equal ones may be off by one rounding
    high, low = np.maximum.reduceat(x, starts), np.minimum.reduceat(x, starts)
    with np.errstate(invalid="ignore"):  # infinite values
        spread = np.where(high == low, 0.0, high - low)
    flat: npt.NDArray[np.bool_] = spread <= ROUNDING * np.maximum(np.abs(high), np.abs(low))
    return flat


def _centre(x: Floats, starts: Ints, counts: Ints) -> Floats:
    """Values less their block's mean."""
    return x - np.repeat(np.add.reduceat(x, starts) / counts, counts)


def rank_blocks(x: Floats, days: Ints, starts: Ints, counts: Ints) -> Floats:
    """Rank within the block, from 0; equal values share their mean rank."""
    order = np.lexsort((x, days))
    values, blocks = x[order], days[order]
    firsts = np.flatnonzero(np.r_[True, (values[1:] != values[:-1]) | (blocks[1:] != blocks[:-1])])
    lengths = np.diff(np.r_[firsts, len(x)])
    ranks = np.empty(len(x))
    ranks[order] = np.repeat(firsts + (lengths - 1) / 2, lengths) - np.repeat(starts, counts)
    return ranks
