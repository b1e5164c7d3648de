"""What the rows of a frame are labelled with, in words: whether rows of two frames can be equal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

_WORDS = {
    "string": "text",
    "integer": "numbers",
    "floating": "numbers",
    "mixed-integer-float": "numbers",
    "mixed-integer": "text and numbers mixed",
    "date": "date objects",
}


def find_unlike_rows(indexes: Mapping[Any, pd.Index]) -> str | None:
    """Why the rows of some frames can never be equal, in words; ``None`` where they can.

    Numbers are never equal to text, nor days with a time zone to days without or in another one:
    joined all the same, such frames have no row in common, and nothing says so.

    Args:
        indexes: Indexes of frames, by what the frames are called; an empty one fits all.
    """
    filled = {key: index for key, index in indexes.items() if len(index)}
    if len(filled) < 2:
        return None
    (first, index), *others = filled.items()
    for key, other in others:
        if list(index.names) != list(other.names):
            return f"{first!r} has rows named {list(index.names)}, {key!r} {list(other.names)}"
        for name in index.names:
            kinds = _kind(index, name), _kind(other, name)
            if kinds[0] != kinds[1]:
                mine, its = (_first(rows, name) for rows in (index, other))
                return (
                    f"`{name}` is {kinds[0]} in {first!r} (such as {_show(mine)}) and {kinds[1]} "
                    f"in {key!r} (such as {_show(its)}): {_remedy(kinds, name)}"
                )
    return None


def _kind(index: pd.Index, name: Any) -> str:
    labels = index
    if isinstance(index, pd.MultiIndex):
        # a frame that was cut out of another one may still hold labels that it does not use
        labels = index.levels[index.names.index(name)]
        if labels.inferred_type not in ("string", "integer", "floating", "datetime64"):
            labels = index.unique(name)
    if labels.dtype.kind == "M":
        zone = getattr(labels.dtype, "tz", None)
        return "days without time zone" if zone is None else f"days in time zone {zone}"
    if isinstance(labels, pd.CategoricalIndex):
        labels = labels.categories
    return _WORDS.get(labels.inferred_type, labels.inferred_type)


def _first(index: pd.Index, name: Any) -> Any:
    return index.get_level_values(name)[0]


def _show(label: Any) -> str:
    return repr(label) if isinstance(label, str) else str(label)


def _remedy(kinds: tuple[str, str], name: Any) -> str:
    if all(kind.startswith("days") for kind in kinds):
        return f"make both days without time zone, with frame.tz_localize(None, level={name!r})"
    if any(kind.startswith("days") for kind in kinds):
        return f"make both days, with pandas.to_datetime on the level {name!r}"
    return f"make both text, with frame.rename(index=str, level={name!r})"
