"""The panel: raw features and labels of all sessions, computed once and shared by all rolls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from wf_dagster.calendars import to_day
from wf_dagster.data.replayed_panels import replay_panel
from wf_dagster.errors import DataError, TaskError
from wf_dagster.market import Market
from wf_dagster.prices import FrameSource, PriceSource
from wf_dagster.tables import cache
from wf_dagster.tables.code_digest import code_digest
from wf_dagster.tasks import fingerprint, locate


@dataclass(frozen=True)
class Panel:
    """Features and labels, sorted by day.

    Attributes:
        index: Rows ``(datetime, instrument)``.
        columns: ``("feature", name)`` and ``("label", name)``.
        values: float64 of shape ``(rows, columns)``; usually mapped from the cache.
        days: The session of each row, ``datetime64[D]``.
        hidden: ``(column, row)``: from that row on the column's values are not known yet.
        key: Names what they were computed with: definition, code, universe and prices.
        source: The prices that they were computed from.
    """

    index: pd.MultiIndex
    columns: pd.MultiIndex
    values: np.ndarray[Any, Any]
    days: np.ndarray[Any, Any]
    hidden: tuple[tuple[int, int], ...] = ()
    key: str = ""
    source: PriceSource | None = None

    def slice(self, start: Any, end: Any) -> pd.DataFrame:
        """The rows from ``start`` to ``end``, both included; ``None`` is open.

        Copies nothing, unless some of it is hidden: the values of a panel from the cache cannot
        be changed.
        """
        days = self.days
        low = 0 if start is None else int(np.searchsorted(days, _day(start), "left"))
        high = len(days) if end is None else int(np.searchsorted(days, _day(end), "right"))
        rows = slice(low, max(low, high))
        return pd.DataFrame(
            self._visible_values(rows.start, rows.stop),
            index=self.index[rows],
            columns=self.columns,
            copy=False,
        )

    def _visible_values(self, low: int, high: int) -> np.ndarray[Any, Any]:
        values: np.ndarray[Any, Any] = self.values[low:high]
        hidden = [(column, max(row - low, 0)) for column, row in self.hidden]
        if all(row >= len(values) for _, row in hidden):
            return values
        values = values.copy()
        for column, row in hidden:
            values[row:, column] = np.nan
        return values


def feature_panel(
    market: Market, features: Any, label: Any, instruments: Sequence[str] | None = None
) -> Panel:
    """Features and labels of a market's prices, from its tables if they were computed before.

    The cache is missed when a definition, the code that it runs, the universe or any price
    changes. A replay date shows what was known then (see :mod:`wf_dagster.data.replayed_panels`).

    Args:
        market: Its prices, and where tables are kept.
        features: Dotted path of a function of prices, ``{"func": ..., "kwargs": ...}``, or a
            list of them.
        label: The same, for the label.
        instruments: The universe; default all.

    Raises:
        TaskError: A function cannot be found.
        DataError: The universe is empty, a function gives something else than a frame of
            numbers with the rows of the prices, or the prices change meanwhile.
    """
    parts = [("feature", f) for f in _functions(features, "features")] + [
        ("label", f) for f in _functions(label, "label")
    ]
    names = None if instruments is None else list(instruments)
    if names == []:
        raise DataError("the universe is empty: instruments=[] selects nothing")
    definition = [
        names,
        [[group, name, kwargs, code_digest(f)] for group, (name, f, kwargs) in parts],
    ]

    source, tables = market.prices, market.tables

    def compute_panel(visible: PriceSource) -> Panel:
        version = visible.version()
        key = fingerprint([version, definition])
        table = tables.get(key, lambda: _compute_table(visible, version, parts, names))
        return _to_panel(table, key, visible)

    if not isinstance(source, FrameSource):
        return compute_panel(source)
    everything = source.at(None)
    if not source.hides():
        return compute_panel(everything)
    family = fingerprint([everything.version(), definition])
    return replay_panel(family, source, compute_panel, tables.folder)


def compute_panel(
    source: PriceSource, features: Any, label: Any, instruments: Sequence[str] | None = None
) -> Panel:
    """Features and labels of a price source, computed here and now and kept nowhere.

    Arguments and errors are those of :func:`feature_panel`, with prices in place of a market.
    """
    parts = [("feature", f) for f in _functions(features, "features")]
    parts += [("label", f) for f in _functions(label, "label")]
    names = None if instruments is None else list(instruments)
    return _to_panel(_compute_table(source, source.version(), parts, names), "", source)


def column_functions(config: Any, argument: str) -> list[Callable[[pd.DataFrame], pd.DataFrame]]:
    """What computes the columns of a definition: each from prices, and on their rows.

    Args:
        config: ``features`` or ``label`` of a dataset.
        argument: Which of the two, for messages.

    Raises:
        TaskError: A function cannot be found.
    """
    return [partial(_compute, name, f, kwargs) for name, f, kwargs in _functions(config, argument)]


def _to_panel(table: cache.Table, key: str, source: PriceSource) -> Panel:
    return Panel(
        index=table.index,
        columns=pd.MultiIndex.from_tuples(table.columns),
        values=table.values,
        # days, not nanoseconds: '9999-12-31' for "for ever" has no nanoseconds
        days=table.index.get_level_values("datetime").to_numpy().astype("datetime64[D]"),
        key=key,
        source=source,
    )


def _compute_table(
    source: PriceSource, version: str, parts: Sequence[Any], names: list[str] | None
) -> cache.Table:
    prices = source.load(instruments=names)
    if prices.empty:
        raise DataError(f"the universe is empty: {names} selects nothing of {source!r}")
    frames = [(group, _compute(name, f, kwargs, prices)) for group, (name, f, kwargs) in parts]
    columns = [(group, str(c)) for group, frame in frames for c in frame.columns]
    _check_names(columns)
    if source.version() != version:  # or it would be kept under the key of other prices
        raise DataError(f"{source!r} changed while features were computed: run it again")
    values = np.column_stack([frame.to_numpy() for _, frame in frames])
    return cache.Table(cast(pd.MultiIndex, prices.index), columns, values)


def _functions(
    config: Any, argument: str
) -> list[tuple[str, Callable[..., pd.DataFrame], dict[str, Any]]]:
    functions = []
    for item in config if isinstance(config, (list, tuple)) else [config]:
        definition = item if isinstance(item, Mapping) else {"func": item}
        if "func" not in definition:
            raise TaskError(f"{item!r} names no function: write {{'func': 'package.function'}}")
        function = definition["func"]
        if isinstance(function, str):
            function = locate(function, where=f"dataset.kwargs.{argument}")
        if not callable(function):
            raise TaskError(f"{item!r} is no function: write its dotted path")
        qualified = getattr(function, "__qualname__", type(function).__qualname__)
        name = f"{function.__module__}.{qualified}"
        functions.append((name, function, dict(definition.get("kwargs") or {})))
    return functions


def _compute(
    name: str, function: Callable[..., Any], kwargs: dict[str, Any], prices: pd.DataFrame
) -> pd.DataFrame:
    try:
        frame = function(prices.copy(), **kwargs)  # a copy: it may add columns to it
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # it came from inside the function
        raise TaskError(f"{name} does not take {kwargs}: {error}") from error
    if isinstance(frame, pd.Series):
        frame = frame.to_frame()
    if not isinstance(frame, pd.DataFrame) or not frame.index.equals(prices.index):
        raise DataError(f"{name} must return a frame with the rows of the prices it was given")
    try:
        return frame.astype("float64")
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must return numbers: {error}") from error


def _check_names(columns: list[tuple[str, str]]) -> None:
    for group in ("feature", "label"):
        names = [name for of, name in columns if of == group]
        if not names:
            raise DataError(f"no {group} is computed: name a function that gives a column")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(f"{group} {twice[0]!r} is computed twice: give it another name")


def _day(date: Any) -> np.datetime64:
    return np.datetime64(to_day(date), "D")
