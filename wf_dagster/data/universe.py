"""The universe of a dataset: which instruments belong to it, on which day."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.data.universe_spans import COLUMNS, read_file, spans_of_days, spans_of_frame
from wf_dagster.errors import DataError, TaskError
from wf_dagster.log_once import warn_once
from wf_dagster.prices import PriceSource
from wf_dagster.prices.base import Replayable
from wf_dagster.prices.names import describe_unknown, known_names
from wf_dagster.tasks import canonical_json, locate
from wf_dagster.tasks.instrument_names import INSTRUMENTS, SHAPES, names_file, to_names

_log = logging.getLogger(__name__)
_ROWS = ["datetime", "instrument"]
_REMEMBERED = 8
_spans: dict[Any, pd.DataFrame] = {}  # what functions have given, by the version of the prices


@dataclass(frozen=True)
class Universe:
    """The instruments of a dataset.

    Attributes:
        names: Those that belong to it on any day; ``None`` for all that there are prices of.
        spans: Columns ``instrument``, ``start``, ``end`` (days, both included): when they belong;
            ``None`` where they do on every day.
    """

    names: list[str] | None = None
    spans: pd.DataFrame | None = None

    @classmethod
    def of(cls, instruments: Any, source: PriceSource) -> Universe:
        """The universe that a dataset's ``instruments`` describe.

        Args:
            instruments: ``None`` for all; a list of names; a path; a frame; a function of a day.
            source: The prices; a function is asked for each of their days.

        Raises:
            DataError: It is none of these, selects nothing, or a file is malformed.
            TaskError: A function cannot be found.
        """
        if instruments is None:
            return cls()
        if isinstance(instruments, pd.DataFrame):
            return cls._of_spans(spans_of_frame(instruments, "the frame of instruments"))
        if names_file(instruments):
            return cls._of_spans(read_file(Path(instruments).expanduser()))
        if isinstance(instruments, (str, Mapping)) or callable(instruments):
            return cls._of_spans(_spans_of_function(_find_function(instruments, source), source))
        names = to_instruments(instruments)
        if not names:
            raise DataError("the universe is empty: instruments=[] selects nothing")
        return cls(names)

    @classmethod
    def _of_spans(cls, spans: pd.DataFrame) -> Universe:
        if spans.empty:
            raise DataError("the universe is empty: no instrument belongs to it on any day")
        return cls(sorted(spans["instrument"].unique()), spans)

    def definition(self) -> Any:
        """Plain values that change when a member does."""
        if self.spans is None:
            return self.names
        days = self.spans[COLUMNS[1:]].to_numpy().astype("datetime64[D]").astype(str)
        return [self.spans["instrument"].tolist(), days.tolist()]

    def load(self, source: PriceSource) -> pd.DataFrame:
        """All prices of its instruments, whether or not they belong to it on their day.

        Raises:
            DataError: A name of a list is not in the prices, or none of those that change over
                time is; the nearest names are given.
        """
        try:
            prices = source.load(instruments=self.names)
        except DataError:
            self._check(source, pd.MultiIndex.from_arrays([[], []], names=_ROWS))
            raise
        if prices.empty:
            raise DataError(f"the universe is empty: {self.names} selects nothing of {source!r}")
        self._check(source, prices.index)
        return prices

    def _check(self, source: PriceSource, rows: pd.Index) -> None:
        """Name, or refuse, members without prices; ``rows`` are those of the prices."""
        loaded = set(rows.unique("instrument"))
        unknown = [] if self.names is None else sorted(set(self.names) - loaded, key=str)
        if not unknown:
            return
        known = known_names(source)  # a replay date may hide all rows of some
        unknown = sorted(set(unknown) - set(known), key=str)
        if not unknown:
            return
        text = describe_unknown(unknown, known)
        assert self.names is not None
        if self.spans is None or len(unknown) == len(self.names):
            raise DataError(
                f"{INSTRUMENTS}: {len(unknown)} of {len(self.names)} instruments are not in "
                f"{source!r}: {text}"
            )
        due = self._members_between(rows.unique("datetime"))
        lost = sorted(due.intersection(unknown), key=str)
        if len(lost) > len(due) / 2:
            raise DataError(
                f"{INSTRUMENTS}: {len(lost)} of {len(due)} instruments that belong to the universe "
                f"while there are prices are not in {source!r}: {describe_unknown(lost, known)}. "
                "Write the names as the prices have them, or leave out what has no prices"
            )
        warn_once(
            _log,
            f"{INSTRUMENTS}: {len(unknown)} of {len(self.names)} instruments that belong to the "
            f"universe have no prices in {source!r} and are left out: {text}",
        )

    def _members_between(self, days: pd.Index) -> set[str]:
        """Who belongs to it at any time from the first of some days to the last."""
        assert self.spans is not None
        first, last = pd.Timestamp(days.min()).normalize(), pd.Timestamp(days.max()).normalize()
        belongs = (self.spans["start"] <= last) & (self.spans["end"] >= first)
        return set(self.spans["instrument"][belongs])

    def holds(self, rows: pd.MultiIndex) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether the instrument of each row belongs to it on the day of the row.

        Args:
            rows: ``(datetime, instrument)``.
        """
        if self.names is None:
            return np.ones(len(rows), dtype=bool)
        if self.spans is None:
            return np.asarray(rows.get_level_values("instrument").isin(self.names))
        spans = self.spans.sort_values(["instrument", "start"])
        names = pd.Index(spans["instrument"].unique())
        of_span = names.get_indexer(pd.Index(spans["instrument"]))
        start, end = (_day_numbers(spans[column]) for column in COLUMNS[1:])
        # of an instrument's spans that have begun, the one that ends last may have begun before
        end = pd.Series(end).groupby(of_span).cummax().to_numpy()
        day = _day_numbers(rows.get_level_values("datetime"))
        of_row = names.get_indexer(rows.get_level_values("instrument"))
        lowest = min(start.min(initial=0), day.min(initial=0))
        width = max(start.max(initial=0), day.max(initial=0)) - lowest + 1
        begun = np.searchsorted(
            of_span * width + start - lowest, of_row * width + day - lowest, "right"
        )
        last = np.maximum(begun - 1, 0)
        holds: np.ndarray[Any, np.dtype[np.bool_]] = (
            (begun > 0) & (of_row >= 0) & (of_span[last] == of_row) & (day <= end[last])
        )
        return holds


def to_instruments(instruments: Any) -> Any:
    """What a dataset keeps of its ``instruments``: names as a list, anything else as it is."""
    as_it_is = (str, os.PathLike, Mapping, pd.DataFrame, type(None))
    if isinstance(instruments, as_it_is) or callable(instruments):
        return instruments
    return to_names(instruments, INSTRUMENTS)


def _day_numbers(days: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(days).astype("datetime64[D]").astype("int64")


def _find_function(instruments: Any, source: PriceSource) -> Callable[[pd.Timestamp], Any]:
    """The function of a day that ``instruments`` name."""
    kwargs: dict[str, Any] = {}
    if isinstance(instruments, Mapping):
        unknown = sorted(map(str, set(instruments) - {"func", "kwargs"}))
        if "func" not in instruments or unknown:
            raise DataError(f"{INSTRUMENTS} is {dict(instruments)!r}: write {SHAPES}")
        kwargs = dict(instruments.get("kwargs") or {})
        instruments = instruments["func"]
    if isinstance(instruments, str):
        name = instruments
        try:
            instruments = locate(name, where=INSTRUMENTS)
        except TaskError as error:
            known = known_names(source)
            if "." in name and name not in known:
                raise
            raise DataError(
                f"{INSTRUMENTS} is {name!r}, which is no universe. Of the prices' instruments: "
                f"{describe_unknown([name], known)}. Write {SHAPES}"
            ) from error
    if not callable(instruments):
        raise DataError(f"{INSTRUMENTS} names {instruments!r}, which is no function of a day")
    return partial(instruments, **kwargs) if kwargs else instruments


def _spans_of_function(members: Callable[[pd.Timestamp], Any], source: PriceSource) -> pd.DataFrame:
    """What a function gives for each day of the prices, those included that a replay date hides."""
    whole = source.at(None) if isinstance(source, Replayable) else source
    days = pd.DatetimeIndex(whole.sessions()).normalize().unique()
    function, kwargs = members, ""
    if isinstance(members, partial):
        function, kwargs = members.func, canonical_json(members.keywords)
    key = whole.version(), function, kwargs
    if key not in _spans:  # it may read a file for each day, and rolls ask for the same ones
        if len(_spans) >= _REMEMBERED:
            _spans.clear()
        _spans[key] = spans_of_days(members, days)
    return _spans[key]
