"""Which of several labels a model predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wf_dagster.errors import TaskError


def predicted_label(task: Mapping[str, Any]) -> str | int | None:
    """The label that a task's model is told to predict, by name or position.

    Returns:
        Its ``label_column``; ``None`` where it is not told.
    """
    model = task.get("model")
    if not isinstance(model, Mapping):
        return getattr(model, "label_column", None)  # a ready object, or none
    column: str | int | None = (model.get("kwargs") or {}).get("label_column")
    return column


def find_label(columns: Sequence[Any], wanted: str | int | None) -> int:
    """The position of a label among columns.

    Args:
        columns: Their names.
        wanted: A name, or a position, which may count from the end; ``None`` is the first.

    Raises:
        TaskError: There is no such column.
    """
    names = list(columns)
    if wanted is None:
        return 0
    if wanted in names:
        return names.index(wanted)
    if type(wanted) is int and -len(names) <= wanted < len(names):
        return wanted % len(names)
    raise TaskError(
        f"model.kwargs.label_column is {wanted!r}: the labels are {names}, or their positions from "
        "0"
    )
