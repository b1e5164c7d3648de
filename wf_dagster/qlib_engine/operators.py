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


def compute_from_parts(batch: Batch, node: Any) -> Values:
    """The values of an expression; what is not known here, Qlib computes.

    Raises:
        UnlikeError: They have other rows than the instruments.
    """
    return _OPERATORS.get(type(node), _by_instrument)(batch, node)


def _by_instrument(batch: Batch, node: Any) -> Values:
    """By Qlib, for one instrument after the other."""
    recorded = batch.recorded
    return batch.concatenate(
        [node.load(name, batch.begin, batch.stop, recorded.freq) for name in recorded.names]
    )


def _recorded(batch: Batch, node: Any) -> Values:
    return batch.concatenate(batch.recorded.series(node, batch.begin, batch.stop))


def _unary(function: Callable[[Values], Values]) -> Compute:
    return lambda batch, node: function(batch.values(node.feature))


def _binary(function: Callable[[Any, Any], Values], kind: str = "f") -> Compute:
    """Of two vectors of a kind, or of one and a number; pandas has rules of its own for others."""

    def compute(batch: Batch, node: Any) -> Values:
        operands = [batch.values(part) for part in (node.feature_left, node.feature_right)]
        vectors = [operand for operand in operands if isinstance(operand, np.ndarray)]
        numbers = [operand for operand in operands if type(operand) in (int, float)]
        is_plain = len(vectors) + len(numbers) == 2 and len(vectors) >= (2 if kind == "b" else 1)
        if not is_plain or any(vector.dtype.kind != kind for vector in vectors):
            return _by_instrument(batch, node)
        return function(*operands)

    return compute


def _if(batch: Batch, node: Any) -> Values:
    if not isinstance(node.condition, Expression):
        return _by_instrument(batch, node)
    parts = (node.condition, node.feature_left, node.feature_right)
    return cast(Values, np.where(*(batch.values(part) for part in parts)))


def _rolling(function: Callable[[Batch, Values, Any], Values]) -> Compute:
    def compute(batch: Batch, node: Any) -> Values:
        if type(node.N) is not int or node.N < 1:  # all that came before, or exponential weights
            return _by_instrument(batch, node)
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
    """The place in the window, from 1, of the best value; a missing value is the best."""

    def function(batch: Batch, values: Values, node: Any) -> Values:
        if node.N > _WIDE:
            return _by_instrument(batch, node)
        numbers = values.astype(np.float64)
        numbers[np.isinf(numbers)] = np.nan
        window = batch.window(node.N)
        places = np.empty(len(numbers))
        for part in batch.segments():
            padded = np.concatenate([np.full(node.N - 1, padding), numbers[part]])
            views = np.lib.stride_tricks.sliding_window_view(padded, node.N)
            places[part] = best(views, axis=1) - (node.N - window.lengths[part]) + 1
        counts = pd.Series(numbers).rolling(window, min_periods=0).count().to_numpy()
        places[counts < 1] = np.nan
        return places

    return _rolling(function)


def _shift(batch: Batch, values: Values, sessions: int) -> Values:
    shifted = np.full_like(values, np.nan)
    for part in batch.segments():
        segment = values[part]
        if sessions > 0:
            shifted[part][sessions:] = segment[:-sessions]
        else:
            shifted[part][:sessions] = segment[-sessions:]
    return shifted


def _ref(batch: Batch, node: Any) -> Values:
    values = batch.values(node.feature)
    if type(node.N) is not int or node.N == 0 or values.dtype.kind != "f":
        return _by_instrument(batch, node)
    return _shift(batch, values, node.N)


def _delta(batch: Batch, node: Any) -> Values:
    values = batch.values(node.feature)
    if type(node.N) is not int or node.N == 0 or values.dtype.kind != "f":
        return _by_instrument(batch, node)
    return cast(Values, values - _shift(batch, values, node.N))


def _regression(function: Any) -> Compute:
    """By Qlib's own loops, which are compiled."""

    def compute(batch: Batch, values: Values, node: Any) -> Values:
        results = np.empty(len(values))
        for part in batch.segments():
            results[part] = function(values[part], node.N)
        return results

    return _rolling(compute)


def _rsquare(batch: Batch, values: Values, node: Any) -> Values:
    results = np.empty(len(values))
    for part in batch.segments():
        results[part] = ops.rolling_rsquare(values[part], node.N)
    results[_is_flat(batch, values, node.N)] = np.nan
    return results


def _is_flat(batch: Batch, values: Values, sessions: int) -> Values:
    """Windows in which hardly anything changes."""
    windows = pd.Series(values).rolling(batch.window(sessions), min_periods=1)
    return np.isclose(windows.std(), 0, atol=2e-05)


def _of_pair(name: str) -> Compute:
    def compute(batch: Batch, node: Any) -> Values:
        left, right = batch.values(node.feature_left), batch.values(node.feature_right)
        vectors = isinstance(left, np.ndarray) and isinstance(right, np.ndarray)
        if type(node.N) is not int or node.N < 1 or not vectors:
            return _by_instrument(batch, node)
        windows = pd.Series(left).rolling(batch.window(node.N), min_periods=1)
        results: Values = getattr(windows, name)(pd.Series(right)).to_numpy(copy=True)
        if name == "corr":
            results[_is_flat(batch, left, node.N) | _is_flat(batch, right, node.N)] = np.nan
        return results

    return compute


_OPERATORS: dict[type, Compute] = {
    Feature: _recorded,
    ops.Abs: _unary(np.abs),
    ops.Log: _unary(np.log),
    ops.Sign: _unary(lambda values: np.sign(values.astype(np.float32))),
    ops.Not: _unary(np.bitwise_not),
    ops.Power: _binary(operator.pow),
    ops.Add: _binary(operator.add),
    ops.Sub: _binary(operator.sub),
    ops.Mul: _binary(operator.mul),
    ops.Div: _binary(operator.truediv),
    ops.Greater: _binary(np.maximum),
    ops.Less: _binary(np.minimum),
    ops.Gt: _binary(operator.gt),
    ops.Ge: _binary(operator.ge),
    ops.Lt: _binary(operator.lt),
    ops.Le: _binary(operator.le),
    ops.Eq: _binary(operator.eq),
    ops.Ne: _binary(operator.ne),
    ops.And: _binary(operator.and_, "b"),
    ops.Or: _binary(operator.or_, "b"),
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
    ops.Corr: _of_pair("corr"),
    ops.Cov: _of_pair("cov"),
}
