"""Two recorders, or two values, that have to be the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from tests.peer.leftovers import Left, LeftRecorder

TOLERANCE = 1e-6
# what recorders of this project hold beside what Qlib's hold
OUR_NAMES = frozenset({"sig_analysis/long_short.pkl"})
PORTFOLIO = "portfolio_analysis/"


def assert_same_recorders(
    ours: Left, theirs: Left, *, portfolio: bool = True, other_params: Collection[str] = ()
) -> None:
    """Each recorder of Qlib's has its like here, and there are no others.

    Args:
        ours: What the script left here.
        theirs: What it left under plain Qlib.
        portfolio: Whether the backtest has to be the same too; not so where the script asked for
            this project's own portfolio.
        other_params: Names of params that tell the calls apart.
    """
    assert sorted(ours) == sorted(theirs)
    for experiment, recorders in theirs.items():
        assert [each.order for each in ours[experiment]] == [each.order for each in recorders]
        for our, their in zip(ours[experiment], recorders, strict=True):
            where = f"{experiment} {their.order}"
            params = {k: v for k, v in their.params.items() if k not in other_params}
            if "task" in their.names:  # logged by a trainer: dates and lists are written otherwise
                params = {k: v for k, v in params.items() if k.startswith("model.")}
            _assert_holds(our.params, params, f"{where} params")
            _assert_same_recorder(our, their, where, lambda name: portfolio or not _is_trade(name))


def _is_trade(name: str) -> bool:
    return name.startswith((PORTFOLIO, "1day."))


def _assert_same_recorder(
    our: LeftRecorder, their: LeftRecorder, where: str, compared: Callable[[str], bool]
) -> None:
    assert (our.name, our.status) == (their.name, their.status), where
    _assert_holds(our.tags, their.tags, f"{where} tags")
    names = {name for name in their.names if compared(name)}
    assert names <= our.names, f"{where}: {sorted(names - our.names)} is missing"
    left = {name for name in our.names - names - OUR_NAMES if compared(name)}
    assert not left, f"{where}: {sorted(left)} is not of Qlib's"
    metrics = {name: entries for name, entries in their.metrics.items() if compared(name)}
    missing = metrics.keys() - our.metrics.keys()
    assert not missing, f"{where}: {sorted(missing)} are missing"
    for name, entries in metrics.items():
        assert_same(our.metrics[name], entries, f"{where} metric {name}")
    for name in sorted(names):
        compare = _assert_same_task if name == "task" else assert_same
        compare(our.load(name), their.load(name), f"{where} {name}")


def _assert_same_task(ours: Any, theirs: Any, where: str) -> None:
    """The same but for ``trunc_days``, which Qlib forgets, and a handler that is a file there."""
    known = {name: part for name, part in ours.items() if name != "trunc_days"}
    if not isinstance(theirs["dataset"]["kwargs"]["handler"], dict):
        known, theirs = (
            {**task, "dataset": {**task["dataset"]["kwargs"], "handler": ""}}
            for task in (known, theirs)
        )
    assert_same(known, theirs, where)


def _assert_holds(ours: dict[str, str], theirs: dict[str, str], where: str) -> None:
    differing = {k: (ours.get(k), value) for k, value in theirs.items() if ours.get(k) != value}
    assert not differing, f"{where}, here and under Qlib: {differing}"


def assert_same(ours: Any, theirs: Any, where: str) -> None:
    """Frames, numbers and containers of them are equal to ``TOLERANCE``; others are of one kind."""
    if isinstance(theirs, pd.DataFrame | pd.Series):
        _assert_same_frame(ours, theirs, where)
    elif isinstance(theirs, dict):
        assert list(map(str, ours)) == list(map(str, theirs)), where
        for our, (key, their) in zip(ours.values(), theirs.items(), strict=True):
            assert_same(our, their, f"{where} {key}")
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), where
        for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(our, their, f"{where} {number}")
    elif isinstance(theirs, Real) and not isinstance(theirs, bool):
        both_nan = math.isnan(ours) and math.isnan(theirs)
        assert both_nan or math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE), (
            f"{where}: {ours}, not {theirs}"
        )
    elif isinstance(theirs, pd.Timestamp):  # rolls of this project are told by dates as text
        assert pd.Timestamp(ours) == theirs, f"{where}: {ours}, not {theirs}"
    elif isinstance(theirs, str | bool | None):
        assert ours == theirs, f"{where}: {ours}, not {theirs}"
    else:
        _assert_same_object(ours, theirs, where)


def _assert_same_frame(ours: Any, theirs: Any, where: str) -> None:
    assert type(ours) is type(theirs), f"{where}: {type(ours).__name__}"
    pd.testing.assert_index_equal(ours.index, theirs.index, exact="equiv", obj=where)
    if isinstance(theirs, pd.DataFrame):
        pd.testing.assert_index_equal(ours.columns, theirs.columns, exact="equiv", obj=where)
        theirs_numbers = theirs.select_dtypes("number")
        ours_numbers = ours[theirs_numbers.columns]
    else:
        ours_numbers, theirs_numbers = ours, theirs
    np.testing.assert_allclose(
        np.asarray(ours_numbers, "float64"),
        np.asarray(theirs_numbers, "float64"),
        rtol=TOLERANCE,
        atol=TOLERANCE,
        err_msg=where,
    )


def _assert_same_object(ours: Any, theirs: Any, where: str) -> None:
    """Positions by what is held, models by what they have learnt, others by their class."""
    assert type(ours).__name__ == type(theirs).__name__, where
    for learnt in ("position", "coef_"):
        if hasattr(theirs, learnt):
            assert_same(_plain(getattr(ours, learnt)), _plain(getattr(theirs, learnt)), where)
    if hasattr(getattr(theirs, "model", None), "model_to_string"):
        assert ours.model.model_to_string() == theirs.model.model_to_string(), where


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
