"""Names and values as MLflow takes them."""

from __future__ import annotations

import numbers
import posixpath
import re
from typing import Any

from wf_dagster.errors import TrackingError

PARAM_LIMIT = 6000
TAG_LIMIT = 8000
_NAME = re.compile(r"[\w\-. :/]{1,250}")


def checked_name(kind: str, name: str) -> str:
    """The name of a param, metric or tag.

    Raises:
        TrackingError: MLflow does not take it.
    """
    path = posixpath.normpath(name)
    if not _NAME.fullmatch(name) or path != name or path[0] == "/" or path.split("/")[0] == "..":
        raise TrackingError(
            f"{kind} name {name!r} cannot be logged: use at most 250 letters, digits and _-. :/, "
            "in the form of a relative path"
        )
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
