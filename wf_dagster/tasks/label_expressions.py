"""Labels that are written as expressions of Qlib's, and how far these look ahead."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from wf_dagster.tasks.config import find_class

_FIELD = re.compile(r"\$+(?=\w)")
_AHEAD = re.compile(r"Ref\([^()]*(?:\([^()]*\)[^()]*)*,\s*-\s*(\d+)\s*\)")
_OF_EACH_ROW = {"Abs", "Log", "Sign"}


def read_label_expressions(dataset: Any) -> list[str]:
    """The expressions that a dataset's handler has for labels; empty where there are none to read.

    Args:
        dataset: A task's ``dataset``, or a ready one.
    """
    if isinstance(dataset, Mapping):
        fields = _find_in_config((dataset.get("kwargs") or {}).get("handler"))
    else:
        loader = getattr(getattr(dataset, "handler", None), "data_loader", None)
        groups = getattr(loader, "fields", None)
        fields = groups.get("label") if isinstance(groups, Mapping) else None
    # a list of expressions, or a pair of it and the columns' names
    if isinstance(fields, (list, tuple)) and len(fields) == 2:
        fields = fields[0] if isinstance(fields[0], (list, tuple)) else fields
    texts = [fields] if isinstance(fields, str) else fields
    is_list = isinstance(texts, (list, tuple))
    return [text for text in texts if isinstance(text, str)] if is_list else []


def read_label_reach(dataset: Any) -> int | None:
    """Sessions that a dataset's labels look ahead, by the ``Ref(..., -n)`` in their expressions.

    Args:
        dataset: As for :func:`read_label_expressions`.

    Returns:
        ``None`` where there is none to read.
    """
    labels = read_label_expressions(dataset)
    reaches = [int(sessions) for label in labels for sessions in _AHEAD.findall(label)]
    return max(reaches, default=None)


def expression_horizon(expression: str) -> int | None:
    """Sessions between the first and the last that an expression takes its fields from.

    ``None`` where it takes them from one session, from the past alone, or by an operator whose
    sessions are not known here.

    Example:
        >>> expression_horizon("Ref($close, -2)/Ref($close, -1) - 1")
        1
        >>> expression_horizon("Ref($close, -5)/$close - 1")
        5
        >>> expression_horizon("Mean($close, 5)") is None
        True
    """
    try:
        tree = ast.parse(_FIELD.sub("_", expression).strip(), mode="eval").body
    except SyntaxError:
        return None
    ahead = _sessions_ahead(tree)
    if not ahead or max(ahead) <= 0 or max(ahead) == min(ahead):
        return None
    return max(ahead) - min(ahead)


def _find_in_config(handler: Any) -> Any:
    if not isinstance(handler, Mapping):
        return None
    kwargs = handler.get("kwargs") or {}
    if "label" in kwargs:
        return kwargs["label"]
    try:
        kind = find_class(handler, where="dataset.kwargs.handler")
        return kind.get_label_config(kind.__new__(kind))
    except Exception:  # another kind of handler, or one that is not importable here
        loader = kwargs.get("data_loader")
        config = loader.get("kwargs", {}).get("config") if isinstance(loader, Mapping) else None
        return config.get("label") if isinstance(config, Mapping) else None


def _sessions_ahead(node: ast.expr) -> set[int] | None:
    """Sessions from which fields are taken, counted from that of the row."""
    if isinstance(node, ast.Name):
        return {0}
    if isinstance(node, ast.Constant):
        return set()
    if isinstance(node, ast.UnaryOp):
        return _sessions_ahead(node.operand)
    if isinstance(node, ast.BinOp):
        left, right = _sessions_ahead(node.left), _sessions_ahead(node.right)
        return None if left is None or right is None else left | right
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in _OF_EACH_ROW and len(node.args) == 1:
            return _sessions_ahead(node.args[0])
        if node.func.id == "Ref" and len(node.args) == 2:
            inner, shift = _sessions_ahead(node.args[0]), _read_number(node.args[1])
            # Ref(field, 0) is the field's first value of all
            return None if inner is None or not shift else {ahead - shift for ahead in inner}
    return None


def _read_number(node: ast.expr) -> int | None:
    try:
        number = ast.literal_eval(node)
    except ValueError:
        return None
    return number if type(number) is int else None
