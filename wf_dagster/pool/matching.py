"""Whether a JSON value meets one condition, by MongoDB's rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def meets(document: Any, path: Sequence[str], operator: str, value: Any) -> bool:
    """Whether what stands at ``path`` meets the condition.

    A path goes through arrays, and an array meets a condition when one of its elements does.
    Only values of one kind (numbers, texts, ...) are larger or smaller than one another.

    Example:
        >>> meets({"record": [{"class": "A"}, {"class": "B"}]}, ["record", "class"], "$eq", "B")
        True
    """
    found = list(_reach(document, list(path)))
    if operator == "$exists":
        return bool(found) == bool(value)
    if operator == "$eq":
        return _equals(found, value)
    if operator == "$ne":
        return not _equals(found, value)
    if operator in ("$in", "$nin"):
        return any(_equals(found, one) for one in value) == (operator == "$in")
    return any(_ordered(one, operator, value) for one in _spread(found))


def _reach(value: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield value
    elif isinstance(value, dict):
        if path[0] in value:
            yield from _reach(value[path[0]], path[1:])
    elif isinstance(value, list):
        if path[0].isdigit() and int(path[0]) < len(value):
            yield from _reach(value[int(path[0])], path[1:])
        for inner in value:
            if isinstance(inner, dict):
                yield from _reach(inner, path)


def _spread(found: list[Any]) -> Iterator[Any]:
    for value in found:
        yield value
        if isinstance(value, list):
            yield from value


def _equals(found: list[Any], value: Any) -> bool:
    if value is None and not found:
        return True
    return any(_kind(one) == _kind(value) and one == value for one in _spread(found))


def _ordered(one: Any, operator: str, value: Any) -> bool:
    if _kind(one) != _kind(value) or _kind(one) not in ("number", "str", "bool"):
        return False
    if operator == "$gt":
        return bool(one > value)
    if operator == "$gte":
        return bool(one >= value)
    if operator == "$lt":
        return bool(one < value)
    return bool(one <= value)


def _kind(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return type(value).__name__
