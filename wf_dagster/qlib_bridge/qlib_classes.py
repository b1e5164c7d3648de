"""Whether something is Qlib's, by its name or by its class."""

from __future__ import annotations

from typing import Any

from wf_dagster.tasks import modules_named


def names_qlib(task: Any) -> bool:
    """Whether a task, or a part of one, names something of Qlib's; nothing is imported."""
    return any(map(_is_in_qlib, modules_named(task)))


def is_qlib(kind: Any) -> bool:
    """Whether a class is one of Qlib's, or derived from one."""
    return isinstance(kind, type) and any(_is_in_qlib(base.__module__) for base in kind.__mro__)


def _is_in_qlib(module: str) -> bool:
    return module.partition(".")[0] == "qlib"
