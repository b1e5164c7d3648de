"""How far ahead of its own session an expression of Qlib's looks.

``get_extended_window_size`` of Qlib's answers another question: which data must be loaded. A shift
back does not shorten what an inner shift ahead needed to be loaded, and ``Delta`` with ``n < 0``
asks for no later data at all. Here shifts are added up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from qlib.data.base import Expression, Feature
from qlib.data.ops import (
    Delta,
    ElemOperator,
    If,
    PairOperator,
    PairRolling,
    Ref,
    Rolling,
    TResample,
)

_STANDARD = {"qlib.data.base", "qlib.data.ops", "qlib.data.pit"}


def measure_reach(expression: Any) -> int:
    """The latest session that a value needs, counted from its own; never less than that.

    Args:
        expression: A parsed expression of Qlib's.

    Returns:
        Steps of the calendar: > 0 looks ahead, 0 needs its own session, < 0 earlier ones only.
        Of operators that are not known it is what they say themselves, or the furthest of their
        parts if that is more.
    """
    return math.ceil(_reach(expression, -math.inf))


def count_open(expression: Any) -> int:
    """How many sessions at the end of data have not the value that they have when data go on.

    More than it reaches ahead where a shift ahead is around a shift back: data that end hold no
    row of a later session, so that ``Ref(Ref($close, 5), -2)`` is empty in the last two of them.

    Args:
        expression: A parsed expression of Qlib's.

    Returns:
        Steps of the calendar, >= 0.
    """
    return math.ceil(_reach(expression, 0.0))


def find_parts(expression: Any) -> Iterator[Any]:
    """The expressions that an operator is computed from."""
    return (part for part in vars(expression).values() if isinstance(part, Expression))


def is_standard(expression: Any) -> bool:
    """Whether it is a field or one of the operators that Qlib registers itself."""
    return type(expression).__module__ in _STANDARD


def _reach(expression: Any, least: float) -> float:
    parts = max((_reach(part, least) for part in find_parts(expression)), default=-math.inf)
    if not _is_known(expression) or parts == -math.inf:
        return max(parts, float(expression.get_extended_window_size()[1]))
    if isinstance(expression, Ref):
        # with n = 0 it is the first value of the data, which no row comes before
        return max(parts - float(expression.N), least)
    if isinstance(expression, Delta):
        return parts + max(-float(expression.N), 0.0)
    return parts


def _is_known(expression: Any) -> bool:
    """Whether what an operator computes is known: a subclass of one's own may do anything."""
    kinds = (Feature, ElemOperator, PairOperator, If, Rolling, PairRolling)
    return (
        type(expression).__module__ in {"qlib.data.base", "qlib.data.ops"}
        and isinstance(expression, kinds)
        and not isinstance(expression, TResample)
    )
