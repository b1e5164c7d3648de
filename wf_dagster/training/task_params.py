"""A task definition as flat parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any


def flatten_task(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A task as parameters of an MLflow run: ``dataset.kwargs.segments.train`` and its value.

    A name there allows no other sign than the dot.
    """
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flatten_task(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
        for position, inner in enumerate(value):
            yield from flatten_task(inner, f"{path}.{position}")
    else:
        yield path, _to_plain(value)


def _to_plain(value: Any) -> Any:
    """Dates as ISO dates, which is how they are written in a template."""
    if isinstance(value, (list, tuple)):
        values = [_to_plain(inner) for inner in value]
        return values if isinstance(value, list) else tuple(values)
    if isinstance(value, datetime):
        return (value.date() if value.time() == time.min else value).isoformat()
    return value.isoformat() if isinstance(value, date) else value
