"""Qlib's expressions, computed for many instruments at once: the values are Qlib's, to the bit.

Qlib computes each expression for one instrument after the other, and most of that time goes into
pandas objects for a few hundred numbers each. Here the instruments lie end to end in one vector;
windows end where the next instrument begins.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pandas as pd
from pandas.api.indexers import BaseIndexer
from qlib.data import ops
from qlib.data.base import Expression, Feature
from qlib.data.data import (
    Cal,
    DatasetD,
    ExpressionD,
    LocalDatasetProvider,
    LocalExpressionProvider,
)

Values = np.ndarray[Any, np.dtype[Any]]
_LEAF = re.compile(r"(?<!\$)\$(\w+)")


class UnlikeError(Exception):
    """Series that do not lie side by side: Qlib aligns them itself."""


def is_local() -> bool:
    """Whether Qlib computes expressions itself, on a calendar, and keeps no files of them."""
    expressions, datasets = ExpressionD._provider, DatasetD._provider
    return (
        type(expressions) is LocalExpressionProvider
        and type(datasets) is LocalDatasetProvider
        and expressions.time2idx
        and datasets.align_time
    )


def features(
    instruments: Mapping[str, Any] | Sequence[str],
    fields: Sequence[Any],
    start: Any,
    end: Any,
    freq: str,
) -> pd.DataFrame | None:
    """What ``D.features`` gives, sorted by ``(datetime, instrument)``.

    Args:
        instruments: Names, or names with the spans in which they belong to the list.
        fields: Expressions.
        start: First date.
        end: Last date.
        freq: Frequency of the data.

    Returns:
        The frame, all values ``float32``; ``None`` where Qlib has to compute it: there are no
        rows, or rows that only some of the fields have.
    """
    calendar = Cal.calendar(start, end, freq)
    leaves = sorted({name for one in fields for name in _LEAF.findall(str(one))})
    if not len(calendar) or not leaves:
        return None
    asked = _Asked(calendar[0], calendar[-1], freq)
    groups: dict[tuple[int, int], list[int]] = {}
    roots = [ExpressionD.get_expression_instance(str(one)) for one in fields]
    for number, root in enumerate(roots):
        groups.setdefault(asked.reach(root), []).append(number)
    widest = min(begin for begin, _ in groups), max(stop for _, stop in groups)
    base = _Base(sorted(set(instruments)), freq, leaves, widest)
    rows = _Rows(base, asked, instruments)
    if not len(rows.index):
        return None
    table = np.empty((len(rows.index), len(roots)), dtype=np.float32, order="F")
    try:
        for (begin, stop), numbers in groups.items():
            batch = _Batch(base, begin, stop)
            places = rows.places(batch)
            for number in numbers:
                try:
                    values = batch.values(roots[number])
                except (UnlikeError, TypeError, ValueError):  # what is wrong, Qlib says
                    table[:, number] = rows.by_qlib(fields[number])
                else:
                    table[:, number] = values.astype(np.float32)[places]
    except UnlikeError:
        return None
    return pd.DataFrame(table, index=rows.index, columns=[str(one) for one in fields], copy=False)


class _Asked:
    """The dates that are asked for, as places in the calendar."""

    def __init__(self, start: Any, end: Any, freq: str) -> None:
        self.start, self.end, self.freq = start, end, freq
        found = Cal.locate_index(start, end, freq=freq, future=False)
        self.first, self.last = int(found[2]), int(found[3])

    def reach(self, root: Any) -> tuple[int, int]:
        """The first and the last place that an expression needs."""
        before, after = root.get_extended_window_size()
        return max(0, self.first - before), self.last + after


class _Base:
    """What was recorded of instruments, read once over the widest range."""

    def __init__(
        self, names: Sequence[str], freq: str, leaves: Sequence[str], widest: tuple[int, int]
    ) -> None:
        self.names = names
        self.freq = freq
        self._series = {
            leaf: [Feature(leaf).load(name, *widest, freq) for name in names] for leaf in leaves
        }
        each = [max(of_one, key=len) for of_one in zip(*self._series.values(), strict=True)]
        self.first = np.array([one.index[0] if len(one) else 0 for one in each], dtype=np.int64)
        self.lengths = np.array([len(one) for one in each], dtype=np.int64)

    def series(self, leaf: Any, begin: int, stop: int) -> list[pd.Series[Any]]:
        """A series an instrument, its index the place in the calendar."""
        return [one.loc[begin:stop] for one in self._series[str(leaf)[1:]]]


class _Rows:
    """The rows to give: of all instruments, sorted by date, inside their spans."""

    def __init__(self, base: _Base, asked: _Asked, instruments: Any) -> None:
        self._base, self._asked = base, asked
        calendar = pd.DatetimeIndex(Cal.calendar(freq=asked.freq))
        who = np.repeat(np.arange(len(base.names)), base.lengths)
        days = np.arange(len(who)) - (np.cumsum(base.lengths) - base.lengths - base.first)[who]
        kept = (days >= asked.first) & (days <= asked.last)
        for number, name in enumerate(base.names):
            spans = instruments[name] if isinstance(instruments, Mapping) else None
            if spans is not None:
                mine = np.flatnonzero(kept & (who == number))
                kept[mine] = _inside(calendar[days[mine]], spans)
        self._everyone, self._every_day = who, days
        who, days = who[kept], days[kept]
        order = np.lexsort((who, days))
        self._who, self._days = who[order], days[order]
        known, codes = np.unique(self._days, return_inverse=True)
        there, whose = np.unique(self._who, return_inverse=True)
        levels: list[Any] = [calendar[known], [base.names[number] for number in there]]
        places: list[Any] = [codes, whose]
        self.index = pd.MultiIndex(levels, places, names=["datetime", "instrument"])

    def places(self, batch: _Batch) -> Values:
        """Where a batch has these rows."""
        return cast(Values, batch.offsets[self._who] + self._days - batch.starts[self._who])

    def by_qlib(self, field: Any) -> Values:
        """The values of an expression, as Qlib aligns them.

        Raises:
            UnlikeError: There are rows beside these.
        """
        made = np.full(len(self._who), np.nan, dtype=np.float32)
        for number, name in enumerate(self._base.names):
            series = ExpressionD.expression(
                name, str(field), self._asked.start, self._asked.end, self._asked.freq
            )
            known = self._every_day[self._everyone == number]
            if not series.index.isin(known).all():
                raise UnlikeError
            mine = np.flatnonzero(self._who == number)
            made[mine] = series.reindex(self._days[mine]).to_numpy()
        return made


def _inside(dates: pd.DatetimeIndex, spans: Sequence[Any]) -> Values:
    kept = np.zeros(len(dates), dtype=bool)
    for begin, stop in spans:
        kept |= np.asarray((dates >= begin) & (dates <= stop))
    return kept


class _Batch:
    """The values of expressions between two places of the calendar, instruments end to end.

    Args:
        base: The instruments and what was recorded of them.
        begin: First place in the calendar.
        stop: Last place.
    """

    def __init__(self, base: _Base, begin: int, stop: int) -> None:
        self.base, self.begin, self.stop = base, begin, stop
        self.starts: Values = np.maximum(base.first, begin)
        lengths = np.minimum(base.first + base.lengths, stop + 1) - self.starts
        self.offsets: Values = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))])
        self._known: dict[str, Values] = {}
        self._windows: dict[int, _Window] = {}

    def values(self, node: Any) -> Any:
        """The values of an expression; a number as it is.

        Raises:
            UnlikeError: A part of it has other rows than the instruments.
        """
        if not isinstance(node, Expression):
            return node
        name = str(node)
        if name not in self._known:
            compute = _COMPUTED.get(type(node), _one_by_one)
            with np.errstate(all="ignore"):
                self._known[name] = compute(self, node)
        return self._known[name]

    def laid(self, series: Sequence[pd.Series[Any]]) -> Values:
        """Series of the instruments end to end.

        Raises:
            UnlikeError: They have other rows than the instruments.
        """
        lengths = np.array([len(one) for one in series])
        starts = np.array([one.index[0] if len(one) else 0 for one in series])
        there = lengths > 0
        kinds = {one.dtype for one in series if len(one)}
        if (
            not np.array_equal(lengths, np.diff(self.offsets))
            or not np.array_equal(starts[there], self.starts[there])
            or len(kinds) > 1
            or any(kind.kind not in "fb" for kind in kinds)
        ):
            raise UnlikeError
        return np.concatenate([one.to_numpy() for one in series if len(one)] or [np.empty(0)])

    def window(self, sessions: int) -> _Window:
        """Windows of so many sessions, none of which reaches into another instrument."""
        if sessions not in self._windows:
            self._windows[sessions] = _Window.of(self.offsets, sessions)
        return self._windows[sessions]

    def segments(self) -> list[slice]:
        """Where the instruments lie."""
        return [slice(start, stop) for start, stop in pairwise(self.offsets) if stop > start]


class _Window(BaseIndexer):
    """Windows for pandas, each up to a value and from ``first`` on."""

    first: Values

    @classmethod
    def of(cls, offsets: Values, sessions: int) -> _Window:
        """Of so many sessions, or fewer where an instrument begins."""
        places = np.arange(offsets[-1], dtype=np.int64)
        own = np.repeat(offsets[:-1], np.diff(offsets))
        return cls(first=np.maximum(places - sessions + 1, own).astype(np.int64))

    def get_window_bounds(
        self,
        num_values: int = 0,
        min_periods: int | None = None,
        center: bool | None = None,
        closed: str | None = None,
        step: int | None = None,
    ) -> tuple[Values, Values]:
        """As pandas asks for them."""
        return self.first, np.arange(1, len(self.first) + 1, dtype=np.int64)

    @property
    def lengths(self) -> Values:
        """How many values each window has."""
        return np.arange(1, len(self.first) + 1) - self.first


# kinds of expressions


def _one_by_one(batch: _Batch, node: Any) -> Values:
    """By Qlib, for one instrument after the other."""
    base = batch.base
    return batch.laid([node.load(name, batch.begin, batch.stop, base.freq) for name in base.names])


def _recorded(batch: _Batch, node: Any) -> Values:
    return batch.laid(batch.base.series(node, batch.begin, batch.stop))


def _of_one(function: Callable[[Values], Values]) -> Callable[[_Batch, Any], Values]:
    return lambda batch, node: function(batch.values(node.feature))


def _of_two(function: Callable[[Any, Any], Values]) -> Callable[[_Batch, Any], Values]:
    def compute(batch: _Batch, node: Any) -> Values:
        return function(batch.values(node.feature_left), batch.values(node.feature_right))

    return compute


def _if(batch: _Batch, node: Any) -> Values:
    given = (node.condition, node.feature_left, node.feature_right)
    return cast(Values, np.where(*(batch.values(one) for one in given)))


def _rolling(
    function: Callable[[_Batch, Values, Any], Values],
) -> Callable[[_Batch, Any], Values]:
    def compute(batch: _Batch, node: Any) -> Values:
        if type(node.N) is not int or node.N < 1:  # all that came before, or exponential weights
            return _one_by_one(batch, node)
        return function(batch, batch.values(node.feature), node)

    return compute


def _by_pandas(name: str, **options: Any) -> Callable[[_Batch, Any], Values]:
    def function(batch: _Batch, values: Values, node: Any) -> Values:
        windows = pd.Series(values).rolling(batch.window(node.N), min_periods=1)
        return cast(Values, getattr(windows, name)(**options).to_numpy())

    return _rolling(function)


def _quantile(batch: _Batch, values: Values, node: Any) -> Values:
    windows = pd.Series(values).rolling(batch.window(node.N), min_periods=1)
    return cast(Values, windows.quantile(node.qscore).to_numpy())


def _place_of(best: Any, padding: float) -> Callable[[_Batch, Any], Values]:
    """The place in the window, from 1, of what is found best; a missing value is."""

    def function(batch: _Batch, values: Values, node: Any) -> Values:
        numbers = values.astype(np.float64)
        numbers[np.isinf(numbers)] = np.nan
        window = batch.window(node.N)
        found = np.empty(len(numbers))
        for part in batch.segments():
            mine = numbers[part]
            padded = np.concatenate([np.full(node.N - 1, padding), mine])
            views = np.lib.stride_tricks.sliding_window_view(padded, node.N)
            found[part] = best(views, axis=1) - (node.N - window.lengths[part]) + 1
        counts = pd.Series(numbers).rolling(window, min_periods=0).count().to_numpy()
        found[counts < 1] = np.nan
        return found

    return _rolling(function)


def _shifted(batch: _Batch, values: Values, sessions: int) -> Values:
    moved = np.full_like(values, np.nan)
    for part in batch.segments():
        mine = values[part]
        if sessions > 0:
            moved[part][sessions:] = mine[:-sessions]
        else:
            moved[part][:sessions] = mine[-sessions:]
    return moved


def _ref(batch: _Batch, node: Any) -> Values:
    values = batch.values(node.feature)
    if type(node.N) is not int or node.N == 0 or values.dtype.kind != "f":
        return _one_by_one(batch, node)
    return _shifted(batch, values, node.N)


def _delta(batch: _Batch, node: Any) -> Values:
    values = batch.values(node.feature)
    if type(node.N) is not int or node.N == 0 or values.dtype.kind != "f":
        return _one_by_one(batch, node)
    return cast(Values, values - _shifted(batch, values, node.N))


def _regression(function: Any) -> Callable[[_Batch, Any], Values]:
    """By Qlib's own loops, which are compiled."""

    def compute(batch: _Batch, values: Values, node: Any) -> Values:
        found = np.empty(len(values))
        for part in batch.segments():
            found[part] = function(values[part], node.N)
        return found

    return _rolling(compute)


def _rsquare(batch: _Batch, values: Values, node: Any) -> Values:
    found = np.empty(len(values))
    for part in batch.segments():
        found[part] = ops.rolling_rsquare(values[part], node.N)
    found[_flat(batch, values, node.N)] = np.nan
    return found


def _flat(batch: _Batch, values: Values, sessions: int) -> Values:
    """Windows in which hardly anything changes."""
    windows = pd.Series(values).rolling(batch.window(sessions), min_periods=1)
    return np.isclose(windows.std(), 0, atol=2e-05)


def _pair(name: str) -> Callable[[_Batch, Any], Values]:
    def compute(batch: _Batch, node: Any) -> Values:
        left, right = batch.values(node.feature_left), batch.values(node.feature_right)
        vectors = isinstance(left, np.ndarray) and isinstance(right, np.ndarray)
        if type(node.N) is not int or node.N < 1 or not vectors:
            return _one_by_one(batch, node)
        windows = pd.Series(left).rolling(batch.window(node.N), min_periods=1)
        found: Values = getattr(windows, name)(pd.Series(right)).to_numpy()
        if name == "corr":
            found[_flat(batch, left, node.N) | _flat(batch, right, node.N)] = np.nan
        return found

    return compute


_COMPUTED: dict[type, Callable[[_Batch, Any], Values]] = {
    Feature: _recorded,
    ops.Abs: _of_one(np.abs),
    ops.Log: _of_one(np.log),
    ops.Sign: _of_one(lambda values: np.sign(values.astype(np.float32))),
    ops.Not: _of_one(np.bitwise_not),
    ops.Power: _of_two(operator.pow),
    ops.Add: _of_two(operator.add),
    ops.Sub: _of_two(operator.sub),
    ops.Mul: _of_two(operator.mul),
    ops.Div: _of_two(operator.truediv),
    ops.Greater: _of_two(np.maximum),
    ops.Less: _of_two(np.minimum),
    ops.Gt: _of_two(operator.gt),
    ops.Ge: _of_two(operator.ge),
    ops.Lt: _of_two(operator.lt),
    ops.Le: _of_two(operator.le),
    ops.Eq: _of_two(operator.eq),
    ops.Ne: _of_two(operator.ne),
    ops.And: _of_two(operator.and_),
    ops.Or: _of_two(operator.or_),
    ops.If: _if,
    ops.Ref: _ref,
    ops.Delta: _delta,
    ops.Mean: _by_pandas("mean"),
    ops.Sum: _by_pandas("sum"),
    ops.Std: _by_pandas("std"),
    ops.Var: _by_pandas("var"),
    ops.Max: _by_pandas("max"),
    ops.Min: _by_pandas("min"),
    ops.Med: _by_pandas("median"),
    ops.Count: _by_pandas("count"),
    ops.Rank: _by_pandas("rank", pct=True),
    ops.Quantile: _rolling(_quantile),
    ops.IdxMax: _place_of(np.argmax, -np.inf),
    ops.IdxMin: _place_of(np.argmin, np.inf),
    ops.Slope: _regression(ops.rolling_slope),
    ops.Resi: _regression(ops.rolling_resi),
    ops.Rsquare: _rolling(_rsquare),
    ops.Corr: _pair("corr"),
    ops.Cov: _pair("cov"),
}
