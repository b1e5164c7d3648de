"""The estimator that a task describes: a class, a factory, a ready one, or parts of a pipeline."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.tasks import init_instance, locate

_WHERE = "model.kwargs.estimator"
_FORMS = (
    "the dotted path of a class or of a function that makes an estimator, the class or function, "
    "a ready estimator, or {'class': ..., 'kwargs': ...}, whose kwargs may hold such parts too"
)


def make_estimator(estimator: Any, params: Mapping[str, Any]) -> Any:
    """An estimator that is not fitted.

    Args:
        estimator: A class, or a function that makes one, or the dotted path of either; a ready
            estimator, which is copied without what it has learnt; or ``{"class" or "func",
            "module_path", "kwargs"}``.
        params: Further arguments of the class or function; of a ready estimator its parameters,
            ``step__name`` for one of a pipeline's.

    Raises:
        TaskError: It is none of these, does not take the parameters, or has no fit and predict.
    """
    model = _make(estimator, params)
    if not all(callable(getattr(model, method, None)) for method in ("fit", "predict")):
        name = estimator if isinstance(estimator, str) else type(model).__name__
        raise TaskError(f"{_WHERE}: {name} has no fit and predict")
    return model


def _make(estimator: Any, params: Mapping[str, Any]) -> Any:
    if isinstance(estimator, Mapping):
        config = {**estimator, "kwargs": {**_make_parts(estimator.get("kwargs") or {}), **params}}
        return init_instance(config, where=_WHERE)
    kind = locate(estimator, where=_WHERE) if isinstance(estimator, str) else estimator
    if _is_ready(kind):
        return _copy_ready(kind, params)
    if not callable(kind):
        raise TaskError(f"{_WHERE} is {estimator!r}: use {_FORMS}")
    if isinstance(kind, type) and not all(hasattr(kind, name) for name in ("fit", "predict")):
        raise TaskError(f"{_WHERE}: {estimator} has no fit and predict")
    try:
        return kind(**_make_parts(params))
    except TypeError as error:
        raise TaskError(f"model.kwargs: {estimator} does not take these: {error}") from None


def _make_parts(kwargs: Any) -> Any:
    """Arguments with the parts made that they describe, however deep: the steps of a pipeline."""
    if isinstance(kwargs, Mapping):
        if ("class" in kwargs or "func" in kwargs) and set(kwargs) <= _KEYS:
            inner = _make_parts(kwargs.get("kwargs") or {})
            return init_instance({**kwargs, "kwargs": inner}, where=_WHERE)
        return {name: _make_parts(value) for name, value in kwargs.items()}
    if isinstance(kwargs, (list, tuple)):
        return type(kwargs)(_make_parts(value) for value in kwargs)
    return kwargs


_KEYS = {"class", "func", "module_path", "kwargs"}


def _is_ready(kind: Any) -> bool:
    return not isinstance(kind, type) and hasattr(kind, "fit")


def _copy_ready(estimator: Any, params: Mapping[str, Any]) -> Any:
    from sklearn.base import clone  # slow to import, and whoever gives one has done it

    if not hasattr(estimator, "get_params") and not params:
        return copy.deepcopy(estimator)
    try:
        return clone(estimator).set_params(**params)
    except (AttributeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise TaskError(f"{_WHERE}: {type(estimator).__name__} cannot be used: {reason}") from None
