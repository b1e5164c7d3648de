"""Which template a task was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wf_dagster.rolling.roll_identity import training_fingerprint
from wf_dagster.tasks.fingerprint import fingerprint
from wf_dagster.tasks.schema import BEFORE_TRAINING, WARM_START

_MOVED = {"segments", "start_time", "end_time", "fit_start_time", "fit_end_time"}
_ADDED = {WARM_START, BEFORE_TRAINING}


def template_fingerprint(task: Mapping[str, Any]) -> str:
    """The same for a template and all rolls of it: what rolling moves is left out.

    Example:
        >>> first = {"class": "my.Data", "kwargs": {"segments": {"test": ("2020-01-01", None)}}}
        >>> later = {"class": "my.Data", "kwargs": {"segments": {"test": ("2021-01-04", None)}}}
        >>> made_from = template_fingerprint({"model": "my.Model", "dataset": first})
        >>> made_from == template_fingerprint({"model": "my.Model", "dataset": later})
        True
    """
    template = {key: value for key, value in task.items() if key not in _ADDED}
    return fingerprint({**template, "dataset": _without_times(template.get("dataset"))})


def same_models(task: Mapping[str, Any]) -> str:
    """The same for a template and all rolls of it, whatever records it asks for.

    It tells the models of one template of a strategy from those of another: what counts is what
    counts for a training (see :mod:`wf_dagster.rolling.roll_identity`), but for the dates.
    """
    template = {key: value for key, value in task.items() if key not in _ADDED}
    dataset = _without_times(template.get("dataset"))
    return training_fingerprint({**template, "dataset": dataset})


def _without_times(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_times(v) for k, v in value.items() if k not in _MOVED}
    if isinstance(value, (list, tuple)):
        return [_without_times(v) for v in value]
    return value
