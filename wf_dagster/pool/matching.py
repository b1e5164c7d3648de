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
    values = list(_values_at(document, list(path)))
    if operator == "$exists":
        return bool(values) == bool(value)
    if operator == "$eq":
        return _equals(values, value)
    if operator == "$ne":
        return not _equals(values, value)
    if operator in ("$in", "$nin"):
        return any(_equals(values, item) for item in value) == (operator == "$in")
    return any(_is_ordered(item, operator, value) for item in _with_elements(values))


def _values_at(value: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield value
    elif isinstance(value, dict):
        if path[0] in value:
            yield from _values_at(value[path[0]], path[1:])
    elif isinstance(value, list):
        if path[0].isdigit() and int(path[0]) < len(value):
            yield from _values_at(value[int(path[0])], path[1:])
        for inner in value:
            if isinstance(inner, dict):
                yield from _values_at(inner, path)


def _with_elements(values: list[Any]) -> Iterator[Any]:
    for value in values:
        yield value
        if isinstance(value, list):
            yield from value


def _equals(values: list[Any], value: Any) -> bool:
    if value is None and not values:
        return True
    return any(
        _value_kind(item) == _value_kind(value) and item == value for item in _with_elements(values)
    )


def _is_ordered(item: Any, operator: str, value: Any) -> bool:
    if _value_kind(item) != _value_kind(value) or _value_kind(item) not in (
        "number",
        "str",
        "bool",
    ):
        return False
    if operator == "$gt":
        return bool(item > value)
    if operator == "$gte":
        return bool(item >= value)
    if operator == "$lt":
        return bool(item < value)
    return bool(item <= value)


def _value_kind(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number"
    return type(value).__name__
