"""Merge the objects of a group into one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.collect.row_codes import check_alike, merge_frames
from wf_dagster.errors import CollectError

_log = logging.getLogger(__name__)

DAYS = "datetime"


class Ensemble:
    """Merges ``{key: object}`` into one object; subclasses say how."""

    def __call__(self, ensemble_dict: Any, *args: Any, **kwargs: Any) -> Any:
        """The merged object."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it merges")


class SingleKeyEnsemble(Ensemble):
    """``{only key: value}`` becomes ``value``; a dict of several keys stays as it is."""

    def __call__(self, ensemble_dict: Any, recursion: bool = True) -> Any:
        """Unwrap.

        Args:
            ensemble_dict: What is not a dict is returned as it is.
            recursion: Unwrap the values first.
        """
        if not isinstance(ensemble_dict, Mapping):
            return ensemble_dict
        values = dict(ensemble_dict)
        if recursion:
            values = {key: self(value, recursion) for key, value in values.items()}
        return next(iter(values.values())) if len(values) == 1 else values


class RollingEnsemble(Ensemble):
    """Joins the rolls of one model into one frame.

    Where two rolls have the same row, that of the later roll counts: the one whose first row is
    later. It was trained on newer data.
    """

    def __call__(self, ensemble_dict: Mapping[Any, Any]) -> Any:
        """Join.

        Args:
            ensemble_dict: Frames or series by any key; ``datetime`` is their index, or a level of
                it.

        Returns:
            One frame (or series), sorted, each row once.

        Raises:
            CollectError: There is nothing to join, something that is no such frame, or two frames
                whose rows can never be equal.
        """
        _check_dict(ensemble_dict, "RollingEnsemble")
        _check_frames(ensemble_dict, "RollingEnsemble")
        values = [value for value in ensemble_dict.values() if len(value)]
        if not values:
            return next(iter(ensemble_dict.values()))
        values.sort(key=first_day)
        _log.info("RollingEnsemble: %d rolls joined", len(values))
        return merge_frames(values)


class AverageEnsemble(Ensemble):
    """Averages scores of several models, each standardised a day.

    Each day's values of a column become ``(x - mean) / std`` (ddof 1); then the mean over the
    columns that have the row. A column with one value on a day, or equal values, says nothing
    about which instrument is better: that day it is left out, and where it is all there is, the
    average is 0 (in Qlib NaN, so that such a row would be lost).
    """

    by_day = True  # a day's average depends on that day alone

    def __call__(self, ensemble_dict: Mapping[Any, Any]) -> pd.Series:
        """Average.

        Args:
            ensemble_dict: Frames or series by any key, possibly nested; ``datetime`` is their
                index, or a level of it.

        Returns:
            Series over the rows of any of them, sorted (no unit); NaN where no column has a value.

        Raises:
            CollectError: There is nothing to average, something that is no such frame, a row twice,
                or two frames whose rows can never be equal: codes that are text in one and numbers
                in the other, days with and without time zone.
        """
        _check_dict(ensemble_dict, "AverageEnsemble")
        flat = dict(_flatten(ensemble_dict))
        _check_frames(flat, "AverageEnsemble")
        for key, value in flat.items():
            if not value.index.is_unique:
                row = value.index[value.index.duplicated()][0]
                raise CollectError(f"{key!r} has the row {row} twice: keep one of them")
        table = pd.concat(list(flat.values()), axis=1).sort_index()
        table.columns = pd.RangeIndex(table.shape[1])
        days = table.groupby(level=DAYS, sort=False)
        low, high = days.transform("min"), days.transform("max")
        scores = (table - days.transform("mean")) / days.transform("std")
        # compared, because the computed deviation of equal values may miss zero by a rounding
        average: pd.Series[Any] = scores.mask(low.eq(high)).mean(axis=1)
        _log.info("AverageEnsemble: %d columns averaged", table.shape[1])
        return average.mask(average.isna() & table.notna().any(axis=1), 0.0)


def first_day(value: Any) -> pd.Timestamp:
    """The earliest day of a frame with a ``datetime`` index or level."""
    index = value.index
    if isinstance(index, pd.MultiIndex):
        level = index.names.index(DAYS)
        codes = index.codes[level]
        # a sorted level's lowest used code: much cheaper than the labels of all rows
        if index.levels[level].is_monotonic_increasing:
            return pd.Timestamp(index.levels[level][int(np.min(codes))])
    return pd.Timestamp(index.get_level_values(DAYS).min())


def _flatten(values: Any, path: tuple[Any, ...] = ()) -> Any:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, (*path, key))
        else:
            yield (*path, key) if path else key, value


def _check_dict(values: Any, who: str) -> None:
    if not isinstance(values, Mapping):
        raise CollectError(
            f"{who} got a {type(values).__name__}: it merges the values of a dict, as a collector "
            "or a group gives it"
        )


def _check_frames(values: Any, who: str) -> None:
    if not values:
        raise CollectError(f"{who} got nothing to merge: are there finished recorders?")
    for key, value in values.items():
        if not isinstance(value, (pd.DataFrame, pd.Series)):
            raise CollectError(
                f"{who} got a {type(value).__name__} under {key!r}: it merges pandas frames and "
                "series only"
            )
        if DAYS not in value.index.names:
            raise CollectError(
                f"{who}: the rows of {key!r} are named {list(value.index.names)}, one of them must "
                f"be {DAYS!r}"
            )
    check_alike({key: value.index for key, value in values.items()}, f"the frames of {who}")
