"""Under which name an estimator's ``fit`` takes weights and groups, inside of pipelines too."""

from __future__ import annotations

import inspect
from typing import Any


def fit_argument(estimator: Any, name: str, *, through_meta: bool = False) -> str | None:
    """The keyword of ``estimator.fit`` for an argument of the estimator that it ends in.

    Args:
        estimator: An estimator, a pipeline, or one that holds other estimators.
        name: Such as ``"sample_weight"``.
        through_meta: Also where an estimator that holds others hands it on to them.

    Returns:
        Such as ``"ridge__sample_weight"``; ``None`` if it takes none.
    """
    steps = getattr(estimator, "steps", None)
    if steps:  # a pipeline
        step, last = steps[-1]
        inner = fit_argument(last, name, through_meta=through_meta)
        return None if inner is None else f"{step}__{inner}"
    parameters = inspect.signature(estimator.fit).parameters
    if name in parameters:
        return name
    hands_on = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    if not (through_meta and hands_on):
        return None
    for attribute in ("estimator", "regressor"):
        inner_estimator = getattr(estimator, attribute, None)
        if hasattr(inner_estimator, "fit"):
            return fit_argument(inner_estimator, name, through_meta=True)
    others = [other for _, other in getattr(estimator, "estimators", None) or ()]
    takes = [fit_argument(other, name, through_meta=True) for other in others if other != "drop"]
    return name if takes and all(inner == name for inner in takes) else None


def last_estimator(estimator: Any) -> Any:
    """What a pipeline ends in; another estimator itself."""
    steps = getattr(estimator, "steps", None)
    return last_estimator(steps[-1][1]) if steps else estimator
