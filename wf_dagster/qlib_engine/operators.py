"""What Qlib's operators give, computed for a batch of instruments."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pandas as pd
from qlib.data import ops
from qlib.data.base import Expression, Feature

from wf_dagster.qlib_engine.batch import Batch, Compute, Values

_WIDE = 500  # sessions of a window; numpy copies all windows to find the best in each


def computed_from_parts(batch: Batch, node: Any) -> Values:
    """The values of an expression; what is not known here, Qlib computes.

    Raises:
        UnlikeError: They have other rows than the instruments.
    """
    return _COMPUTED.get(type(node), _one_by_one)(batch, node)


def _one_by_one(batch: Batch, node: Any) -> Values:
    """By Qlib, for one instrument after the other."""
    recorded = batch.recorded
    return batch.laid(
        [node.load(name, batch.begin, batch.stop, recorded.freq) for name in recorded.names]
    )


def _recorded(batch: Batch, node: Any) -> Values:
    return batch.laid(batch.recorded.series(node, batch.begin, batch.stop))


def _of_one(function: Callable[[Values], Values]) -> Compute:
    return lambda batch, node: function(batch.values(node.feature))


def _of_two(function: Callable[[Any, Any], Values], kind: str = "f") -> Compute:
    """Of two vectors of a kind, or of one and a number; pandas has rules of its own for others."""

    def compute(batch: Batch, node: Any) -> Values:
        pair = [batch.values(one) for one in (node.feature_left, node.feature_right)]
        vectors = [one for one in pair if isinstance(one, np.ndarray)]
        numbers = [one for one in pair if type(one) in (int, float)]
        known = len(vectors) + len(numbers) == 2 and len(vectors) >= (2 if kind == "b" else 1)
        if not known or any(vector.dtype.kind != kind for vector in vectors):
            return _one_by_one(batch, node)
        return function(*pair)

    return compute


def _if(batch: Batch, node: Any) -> Values:
    if not isinstance(node.condition, Expression):
        return _one_by_one(batch, node)
    given = (node.condition, node.feature_left, node.feature_right)
    return cast(Values, np.where(*(batch.values(one) for one in given)))


def _rolling(function: Callable[[Batch, Values, Any], Values]) -> Compute:
    def compute(batch: Batch, node: Any) -> Values:
        if type(node.N) is not int or node.N < 1:  # all that came before, or exponential weights
            return _one_by_one(batch, node)
        return function(batch, batch.values(node.feature), node)

    return compute


def _by_pandas(name: str, **options: Any) -> Compute:
    def function(batch: Batch, values: Values, node: Any) -> Values:
        windows = pd.Series(values).rolling(batch.window(node.N), min_periods=1)
        return cast(Values, getattr(windows, name)(**options).to_numpy())

    return _rolling(function)


def _quantile(batch: Batch, values: Values, node: Any) -> Values:
    windows = pd.Series(values).rolling(batch.window(node.N), min_periods=1)
    return cast(Values, windows.quantile(node.qscore).to_numpy())


def _place_of(best: Any, padding: float) -> Compute:
    """The place in the window, from 1, of what is found best; a missing value is."""

    def function(batch: Batch, values: Values, node: Any) -> Values:
        if node.N > _WIDE:
            return _one_by_one(batch, node)
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


def _shifted(batch: Batch, values: Values, sessions: int) -> Values:
    moved = np.full_like(values, np.nan)
    for part in batch.segments():
        mine = values[part]
        if sessions > 0:
            moved[part][sessions:] = mine[:-sessions]
        else:
            moved[part][:sessions] = mine[-sessions:]
    return moved


def _ref(batch: Batch, node: Any) -> Values:
    values = batch.values(node.feature)
    if type(node.N) is not int or node.N == 0 or values.dtype.kind != "f":
        return _one_by_one(batch, node)
    return _shifted(batch, values, node.N)


def _delta(batch: Batch, node: Any) -> Values:
    values = batch.values(node.feature)
    if type(node.N) is not int or node.N == 0 or values.dtype.kind != "f":
        return _one_by_one(batch, node)
    return cast(Values, values - _shifted(batch, values, node.N))


def _regression(function: Any) -> Compute:
    """By Qlib's own loops, which are compiled."""

    def compute(batch: Batch, values: Values, node: Any) -> Values:
        found = np.empty(len(values))
        for part in batch.segments():
            found[part] = function(values[part], node.N)
        return found

    return _rolling(compute)


def _rsquare(batch: Batch, values: Values, node: Any) -> Values:
    found = np.empty(len(values))
    for part in batch.segments():
        found[part] = ops.rolling_rsquare(values[part], node.N)
    found[_flat(batch, values, node.N)] = np.nan
    return found


def _flat(batch: Batch, values: Values, sessions: int) -> Values:
    """Windows in which hardly anything changes."""
    windows = pd.Series(values).rolling(batch.window(sessions), min_periods=1)
    return np.isclose(windows.std(), 0, atol=2e-05)


def _pair(name: str) -> Compute:
    def compute(batch: Batch, node: Any) -> Values:
        left, right = batch.values(node.feature_left), batch.values(node.feature_right)
        vectors = isinstance(left, np.ndarray) and isinstance(right, np.ndarray)
        if type(node.N) is not int or node.N < 1 or not vectors:
            return _one_by_one(batch, node)
        windows = pd.Series(left).rolling(batch.window(node.N), min_periods=1)
        found: Values = getattr(windows, name)(pd.Series(right)).to_numpy(copy=True)
        if name == "corr":
            found[_flat(batch, left, node.N) | _flat(batch, right, node.N)] = np.nan
        return found

    return compute


_COMPUTED: dict[type, Compute] = {
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
    ops.And: _of_two(operator.and_, "b"),
    ops.Or: _of_two(operator.or_, "b"),
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
