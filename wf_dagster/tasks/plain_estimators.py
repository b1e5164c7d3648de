"""Ready estimators of a task as plain values: what they are told, not what they have learnt.

scikit-learn puts its version into the state of an estimator, so that a state is another one after
each upgrade; its parameters are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wf_dagster.tasks.config import class_path

_TAKES_READY_ONES = {
    "wf_dagster.models.SklearnModel",
    "wf_dagster.models.sklearn_model.SklearnModel",
}


def with_plain_estimator(task: Any) -> Any:
    """A task whose model has no ready estimator among its arguments; any other as it is."""
    model = task.get("model") if isinstance(task, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(model.get("kwargs"), Mapping):
        return task
    if "class" not in model or class_path(model) not in _TAKES_READY_ONES:
        return task
    plain = {name: _to_plain(value) for name, value in model["kwargs"].items()}
    return {**task, "model": {**model, "kwargs": plain}}


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _to_plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(inner) for inner in value]
    if hasattr(value, "get_params") and not isinstance(value, type):
        params = value.get_params(deep=False)
        return {"class": type(value), "params": _to_plain(params)}
    return value
