"""Qlib's figures of signals, a day at a time: coefficients, precisions, returns, stability."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from wf_dagster.errors import RecordError
from wf_dagster.records.analysis import check_quantile, first_column, ic_series

T = TypeVar("T")
_log = logging.getLogger(__name__)
_DAYS, _NAMES = "datetime", "instrument"


def calc_ic(
    pred: pd.Series, label: pd.Series, date_col: str = _DAYS, dropna: bool = False
) -> tuple[pd.Series, pd.Series]:
    """The correlation of predictions and labels on each day, of values and of ranks.

    Args:
        pred: Predictions, rows ``(datetime, instrument)``.
        label: Labels, the same kind of rows.
        date_col: Name of the level that holds days.
        dropna: Leave out days without a coefficient, as those on which all predictions are one.

    Returns:
        Information coefficients and rank information coefficients, by day.

    Raises:
        RecordError: There is no level of that name, or a row is there twice.
    """
    ic, ric = ic_series(_by_day(pred, date_col), _by_day(label, date_col))
    series = (ic.rename(None), ric.rename(None))
    ic, ric = (s.dropna() if dropna else s for s in series)
    return ic.rename_axis(date_col), ric.rename_axis(date_col)


def calc_all_ic(
    pred_dict_all: Mapping[Any, pd.Series],
    label: pd.Series,
    date_col: str = _DAYS,
    dropna: bool = False,
    n_jobs: int = -1,
) -> dict[Any, dict[str, pd.Series]]:
    """:func:`calc_ic` of several predictions.

    Args:
        pred_dict_all: Predictions by name.
        label: Labels.
        date_col: Name of the level that holds days.
        dropna: Leave out days without a coefficient.
        n_jobs: Threads; -1 is one a core.

    Returns:
        ``{name: {"ic": ..., "ric": ...}}``.
    """

    def measure(pred: pd.Series) -> dict[str, pd.Series]:
        return dict(zip(("ic", "ric"), calc_ic(pred, label, date_col, dropna), strict=True))

    return _map_in_threads(measure, pred_dict_all, n_jobs)


def calc_long_short_prec(
    pred: pd.Series,
    label: pd.Series,
    date_col: str = _DAYS,
    quantile: float = 0.2,
    dropna: bool = False,
    is_alpha: bool = False,
) -> tuple[pd.Series, pd.Series]:
    """How many of the best predictions earn, and how many of the worst lose, on each day.

    Args:
        pred: Predictions, rows ``(datetime, instrument)``.
        label: Returns, the same kind of rows.
        date_col: Name of the level that holds days.
        quantile: Share of a day's rows on each side.
        dropna: Leave out rows that lack one of both, before sides are chosen.
        is_alpha: Take the mean of a day from its returns first.

    Returns:
        Shares of the rows with a return, long and short, by day.

    Raises:
        RecordError: There are too few instruments for a side, or the level is not there.
    """
    _check_level(label, date_col)
    check_quantile(quantile)
    count = len(label.index.unique(1))
    if count <= int(1 / quantile):
        raise RecordError(
            f"quantile={quantile} of {count} instruments is too few to measure a precision: use a "
            "larger share, or more instruments"
        )
    if is_alpha:
        label = label - label.groupby(level=date_col).transform("mean")
    rows = _paired(pred, label, date_col, dropna)
    sides = []
    for ascending, sign in ((False, 1), (True, -1)):
        chosen = _best_rows(rows, date_col, quantile, ascending)["label"]
        hits = (sign * chosen > 0).groupby(level=date_col).sum()
        sides.append(hits / chosen.groupby(level=date_col).count())
    return sides[0], sides[1]


def calc_long_short_return(
    pred: pd.Series,
    label: pd.Series,
    date_col: str = _DAYS,
    quantile: float = 0.2,
    dropna: bool = False,
) -> tuple[pd.Series, pd.Series]:
    """What the best predictions earn more than the worst, on each day.

    Args:
        pred: Predictions, rows ``(datetime, instrument)``.
        label: Returns, as fractions, the same kind of rows.
        date_col: Name of the level that holds days.
        quantile: Share of a day's rows on each side.
        dropna: Leave out rows that lack one of both, before sides are chosen.

    Returns:
        Half of the difference of both sides' mean returns, and the mean return of all, by day. A
        day on which all predictions are one has no sides.

    Raises:
        RecordError: The level is not there, or a row is there twice.
    """
    rows = _paired(pred, label, date_col, dropna)
    days = rows.groupby(level=date_col)
    average = days["label"].mean().rename(None)
    best, worst = (
        _best_rows(rows, date_col, quantile, ascending)["label"].groupby(level=date_col).mean()
        for ascending in (False, True)
    )
    # sides of scores that are all the same would be those of the names' order
    differs = days["pred"].nunique() > 1
    half = ((best - worst) / 2).reindex(average.index).where(differs)
    return half.rename(None), average


def pred_autocorr(
    pred: pd.DataFrame | pd.Series, lag: int = 1, inst_col: str = _NAMES, date_col: str = _DAYS
) -> pd.Series:
    """The correlation of a day's predictions with those of an earlier day.

    Args:
        pred: Predictions; of a frame the first column counts, and the log says so.
        lag: How many of the days that have predictions lie between both.
        inst_col: Name of the level that holds instruments.
        date_col: Name of the level that holds days.

    Returns:
        Coefficients by day, NaN for the first days.

    Raises:
        RecordError: A level of these names is not there.
    """
    if isinstance(pred, pd.DataFrame) and pred.shape[1] > 1:
        _log.warning("pred_autocorr: only %r of %s counts", pred.columns[0], [*pred.columns])
    series = first_column(pred)
    _check_level(series, inst_col)
    _check_level(series, date_col)
    wide = series.sort_index().unstack(inst_col)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations: pd.Series = wide.corrwith(wide.shift(lag), axis=1)
    return correlations.rename_axis(None)


def pred_autocorr_all(
    pred_dict: Mapping[Any, pd.DataFrame | pd.Series], n_jobs: int = -1, **kwargs: Any
) -> dict[Any, pd.Series]:
    """:func:`pred_autocorr` of several predictions.

    Args:
        pred_dict: Predictions by name.
        n_jobs: Threads; -1 is one a core.
        **kwargs: Further arguments of :func:`pred_autocorr`.

    Returns:
        Coefficients by name.
    """
    return _map_in_threads(lambda pred: pred_autocorr(pred, **kwargs), pred_dict, n_jobs)


def _map_in_threads(
    function: Callable[[Any], T], values: Mapping[Any, Any], n_jobs: int
) -> dict[Any, T]:
    with ThreadPoolExecutor(n_jobs if n_jobs > 0 else cpu_count()) as pool:
        return dict(zip(values, pool.map(function, values.values()), strict=True))


def _best_rows(rows: pd.DataFrame, date_col: str, quantile: float, ascending: bool) -> pd.DataFrame:
    """The rows of each day with the best, or the worst, predictions; ties in the order of rows."""
    ordered = rows.sort_values("pred", ascending=ascending, kind="stable")
    days = ordered.groupby(level=date_col)
    wanted = (days["pred"].transform("size") * quantile).astype("int64")
    return ordered[(days.cumcount() < wanted) & ordered["pred"].notna()]


def _paired(pred: pd.Series, label: pd.Series, date_col: str, dropna: bool) -> pd.DataFrame:
    for series in (pred, label):
        _check_level(series, date_col)
    rows = pd.DataFrame({"pred": first_column(pred), "label": first_column(label)})
    return rows.dropna() if dropna else rows


def _by_day(series: pd.Series, date_col: str) -> pd.Series:
    """Rows ``(datetime, instrument)``, whatever the levels are called."""
    _check_level(series, date_col)
    days_first = series if series.index.names[0] == date_col else series.swaplevel()
    return days_first.rename_axis([_DAYS, _NAMES])


def _check_level(series: Any, name: str) -> None:
    if name not in series.index.names:
        raise RecordError(
            f"no level of the index is called {name!r}, only {[*series.index.names]}: say which "
            "with date_col, or inst_col"
        )
