"""The panel: raw features and labels of all sessions, computed once and shared by all rolls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from wf_dagster.data.replayed_panels import replay_panel
from wf_dagster.data.universe import Universe
from wf_dagster.data.value_notes import ValueNotes, report, take_notes
from wf_dagster.errors import DataError, TaskError
from wf_dagster.market import Market
from wf_dagster.moments import Moments
from wf_dagster.prices import FrameSource, PriceSource
from wf_dagster.tables import cache
from wf_dagster.tables.code_digest import code_digest
from wf_dagster.tasks import fingerprint, locate

_FORM = "missing values noted"  # of the tables: others may hold infinite values


@dataclass(frozen=True)
class Panel:
    """Features and labels, sorted by session.

    Attributes:
        index: Rows ``(datetime, instrument)``.
        columns: ``("feature", name)`` and ``("label", name)``.
        values: float64 of shape ``(rows, columns)``; usually mapped from the cache.
        days: The session of each row: ``datetime64[D]``, of bars ``datetime64[us]``.
        hidden: ``(column, row)``: from that row on the column's values are not known yet.
        notes: Where values were infinite, which are NaN here, and what is missing.
        key: Names what they were computed with: definition, code, universe and prices.
        source: The prices that they were computed from.
        universe: Whose rows they are.
    """

    index: pd.MultiIndex
    columns: pd.MultiIndex
    values: np.ndarray[Any, Any]
    days: np.ndarray[Any, Any]
    hidden: tuple[tuple[int, int], ...] = ()
    notes: ValueNotes | None = None
    key: str = ""
    source: PriceSource | None = None
    universe: Universe = field(default_factory=Universe)

    @property
    def moments(self) -> Moments:
        """The session of each row, to look dates up."""
        return Moments(self.days)

    def slice(self, start: Any, end: Any, infinite: Sequence[str] = ()) -> pd.DataFrame:
        """The rows from ``start`` to ``end``, both included; ``None`` is open.

        Copies nothing, unless some of it is hidden or infinite: the values of a panel from the
        cache cannot be changed.

        Args:
            start: First date.
            end: Last date.
            infinite: Groups of columns whose infinite values are shown instead of NaN.
        """
        rows = self.moments.range(start, end)
        return pd.DataFrame(
            self._visible_values(rows.start, rows.stop, infinite),
            index=self.index[rows],
            columns=self.columns,
            copy=False,
        )

    def _visible_values(self, low: int, high: int, infinite: Sequence[str]) -> np.ndarray[Any, Any]:
        values: np.ndarray[Any, Any] = self.values[low:high]
        if infinite and self.notes is not None:
            wanted = np.flatnonzero(self.columns.get_level_values(0).isin(infinite))
            values = self.notes.with_infinite(values, low, wanted)
        hidden = [(column, max(row - low, 0)) for column, row in self.hidden]
        if all(row >= len(values) for _, row in hidden):
            return values
        values = values.copy()
        for column, row in hidden:
            values[row:, column] = np.nan
        return values


def feature_panel(market: Market, features: Any, label: Any, instruments: Any = None) -> Panel:
    """Features and labels of a market's prices, from its tables if they were computed before.

    The cache is missed when a definition, the code that it runs, the universe or any price
    changes. A replay date shows what was known then (see :mod:`wf_dagster.data.replayed_panels`).

    Args:
        market: Its prices, and where tables are kept.
        features: Dotted path of a function of prices, ``{"func": ..., "kwargs": ...}``, or a
            list of them.
        label: The same, for the label.
        instruments: The universe; default all. One that changes over time has the rows of its
            members of each day, computed from all of their prices
            (see :class:`wf_dagster.data.universe.Universe`).

    Raises:
        TaskError: A function cannot be found.
        DataError: The universe is empty or holds unknown names, a function gives something else
            than a frame of numbers with the rows of the prices, or the prices change meanwhile.
    """
    parts = [("feature", f) for f in _functions(features, "features")] + [
        ("label", f) for f in _functions(label, "label")
    ]
    source, tables = market.prices, market.tables
    universe = Universe.of(instruments, source)
    definition = [
        _FORM,
        universe.definition(),
        [[group, name, kwargs, code_digest(f)] for group, (name, f, kwargs) in parts],
    ]

    def panel_of(visible: PriceSource) -> Panel:
        version = visible.version()
        key = fingerprint([version, definition])
        table = tables.get(key, lambda: _compute_table(visible, version, parts, universe))
        panel = _to_panel(table, key, visible, universe)
        if panel.notes is not None:
            report(panel.notes, table.columns, table.index, repr(visible))
        return panel

    if not isinstance(source, FrameSource):
        return panel_of(source)
    everything = source.at(None)
    if not source.hides():
        return panel_of(everything)
    family = fingerprint([everything.version(), definition])
    return replay_panel(family, source, panel_of, tables.folder)


def compute_panel(source: PriceSource, features: Any, label: Any, instruments: Any = None) -> Panel:
    """Features and labels of a price source, computed here and now and kept nowhere.

    Arguments and errors are those of :func:`feature_panel`, with prices in place of a market.
    """
    parts = [("feature", f) for f in _functions(features, "features")]
    parts += [("label", f) for f in _functions(label, "label")]
    universe = Universe.of(instruments, source)
    table = _compute_table(source, source.version(), parts, universe)
    return _to_panel(table, "", source, universe)


def column_functions(config: Any, argument: str) -> list[Callable[[pd.DataFrame], pd.DataFrame]]:
    """What computes the columns of a definition: each from prices, and on their rows.

    Args:
        config: ``features`` or ``label`` of a dataset.
        argument: Which of the two, for messages.

    Raises:
        TaskError: A function cannot be found.
    """
    return [partial(_compute, name, f, kwargs) for name, f, kwargs in _functions(config, argument)]


def _to_panel(table: cache.Table, key: str, source: PriceSource, universe: Universe) -> Panel:
    return Panel(
        index=table.index,
        columns=pd.MultiIndex.from_tuples(table.columns),
        values=table.values,
        days=Moments.of(table.index.get_level_values("datetime")).values,
        notes=ValueNotes.from_bytes(table.note),
        key=key,
        source=source,
        universe=universe,
    )


def _compute_table(
    source: PriceSource, version: str, parts: Sequence[Any], universe: Universe
) -> cache.Table:
    prices = universe.load(source)
    frames = [(group, _compute(name, f, kwargs, prices)) for group, (name, f, kwargs) in parts]
    columns = [(group, str(c)) for group, frame in frames for c in frame.columns]
    _check_names(columns)
    if source.version() != version:  # or it would be kept under the key of other prices
        raise DataError(f"{source!r} changed while features were computed: run it again")
    values = np.column_stack([frame.to_numpy() for _, frame in frames])
    rows = cast(pd.MultiIndex, prices.index)
    belongs = universe.holds(rows)
    if not belongs.any():
        raise DataError(f"the universe is empty: no row of {source!r} belongs to it on its day")
    notes = take_notes(values, rows, np.array([g == "label" for g, _ in columns]), belongs)
    if not belongs.all():
        values, rows = values[belongs], rows[belongs].remove_unused_levels()
    return cache.Table(rows, columns, values, notes.to_bytes())


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
