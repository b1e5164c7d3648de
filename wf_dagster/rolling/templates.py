"""Which template a task was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wf_dagster.tasks.fingerprint import fingerprint
from wf_dagster.tasks.segments import parse_segment

_MOVED = {"segments", "start_time", "end_time", "fit_start_time", "fit_end_time"}
_ADDED = {"warm_start"}


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


def training_fingerprint(task: Mapping[str, Any], test_key: str = "test") -> str:
    """The same for tasks that train alike, however far their test windows reach.

    The end of the test segment, and that of a handler's data, are left out: they become known, or
    move, as sessions come.

    Args:
        task: The task of a roll.
        test_key: Name of the test segment.

    Example:
        >>> segments = {"train": ("2019-01-02", "2019-12-31"), "test": ("2020-01-02", None)}
        >>> ended = {**segments, "test": ("2020-01-02", "2020-01-31")}
        >>> first, later = ({"kwargs": {"segments": s}} for s in (segments, ended))
        >>> training_fingerprint({"dataset": first}) == training_fingerprint({"dataset": later})
        True
    """
    return fingerprint({**task, "dataset": _without_ends(task.get("dataset"), test_key)})


def _without_ends(value: Any, test_key: str) -> Any:
    if isinstance(value, Mapping):
        parts = {k: _without_ends(v, test_key) for k, v in value.items() if k != "end_time"}
        segments = parts.get("segments")
        if isinstance(segments, Mapping) and test_key in segments:
            start = parse_segment(segments[test_key])[0]
            parts["segments"] = {**segments, test_key: (start, None)}
        return parts
    if isinstance(value, (list, tuple)):
        return [_without_ends(v, test_key) for v in value]
    return value


def _without_times(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_times(v) for k, v in value.items() if k not in _MOVED}
    if isinstance(value, (list, tuple)):
        return [_without_times(v) for v in value]
    return value
