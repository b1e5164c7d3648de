"""Names and values as MLflow takes them."""

from __future__ import annotations

import numbers
import posixpath
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from wf_dagster.errors import TrackingError

V = TypeVar("V")
PARAM_LIMIT = 6000
TAG_LIMIT = 8000
NAME_RULE = "at most 250 letters, digits and _-. :/, in the form of a relative path"
_NAME = re.compile(r"[\w\-. :/]{1,250}")


def split_by_name(values: Mapping[str, V]) -> tuple[dict[str, V], dict[str, V]]:
    """Values whose names MLflow takes, and the others."""
    taken = {name: value for name, value in values.items() if _is_taken(name)}
    return taken, {name: value for name, value in values.items() if name not in taken}


def _is_taken(name: str) -> bool:
    path = posixpath.normpath(name)
    is_inside = path == name and path[0] != "/" and path.split("/")[0] != ".."
    return is_inside and _NAME.fullmatch(name) is not None


def checked_name(kind: str, name: str) -> str:
    """The name of a param, metric or tag.

    Raises:
        TrackingError: MLflow does not take it.
    """
    if not _is_taken(name):
        raise TrackingError(f"{kind} name {name!r} cannot be logged: use {NAME_RULE}")
    return name


def to_text(value: Any) -> str:
    """A param or tag as MLflow keeps it."""
    return value if isinstance(value, str) else str(value)


def to_number(name: str, value: Any) -> float:
    """A metric's value.

    Raises:
        TrackingError: It is no number.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TrackingError(
            f"metric {name!r} = {value!r} is no number: log text with set_tags or log_params"
        ) from None


def to_step(step: Any) -> int:
    """The step of metrics.

    Raises:
        TrackingError: It is no whole number that MLflow can keep.
    """
    is_whole = isinstance(step, numbers.Real) and float(step).is_integer()
    if not is_whole or not -(2**63) <= step < 2**63:
        raise TrackingError(
            f"step {step!r} of metrics is no whole number of 64 bits: it says where in a series "
            "the values stand, such as 0, 1, 2"
        )
    return int(step)


def cut_text(text: str, limit: int, whole_in: str) -> str:
    """A text that fits, with a mark that says where the whole is if it was too long."""
    mark = f"... (cut; whole in {whole_in})"
    return text if len(text) <= limit else text[: limit - len(mark)] + mark
