"""Names of instruments, as messages show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import pandas as pd

from wf_dagster.prices.base import PriceSource, Replayable


def known_names(source: PriceSource) -> list[str]:
    """All instruments of a source, those included that a replay date hides."""
    whole = source.at(None) if isinstance(source, Replayable) else source
    rows = whole.load(fields=["close"]).index
    return sorted(map(str, pd.unique(rows.get_level_values("instrument"))))


def describe_unknown(unknown: Sequence[Any], known: Iterable[Any]) -> str:
    """Unknown names, each with the nearest known ones, the first few of them.

    Example:
        >>> describe_unknown(["APPL"], ["AAPL", "MSFT"])
        "'APPL' (nearest: AAPL)"
    """
    by_lower = {str(name).lower(): str(name) for name in known}
    parts = []
    for name in unknown[:5]:
        padded = [other for other in by_lower if _is_same_code(str(name), other)]
        near = padded or get_close_matches(str(name).lower(), by_lower, n=3)
        names = ", ".join(by_lower[match] for match in near) or ", ".join(
            [*list(by_lower.values())[:3], "..."]
        )
        parts.append(f"{name!r} ({'nearest' if near else 'there are'}: {names})")
    return "; ".join(parts) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")


def _is_same_code(name: str, other: str) -> bool:
    """Whether one is the other without its zeros in front, as YAML and spreadsheets leave them."""
    return name.isdecimal() and other.isdecimal() and int(name) == int(other)
