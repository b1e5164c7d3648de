"""Which rolls somebody asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wf_dagster.calendars import to_day
from wf_dagster.errors import RollKeyError

RollChoice = str | Sequence[str] | tuple[Any, Any] | slice | None


def choose_rolls(choice: RollChoice, there: Sequence[str], name: str) -> list[str]:
    """The keys that are asked for, in the order of time.

    Args:
        choice: ``None`` for all; a key; a list of keys; a pair of dates ``(first, last)`` or a
            ``slice`` of them, both included, for the rolls whose keys lie between; ``None`` in a
            pair is an open end.
        there: The keys that can be had, sorted.
        name: Of the strategy, for messages.

    Raises:
        RollKeyError: A key that is named is not there, or nothing is between the dates.
    """
    if choice is None:
        return list(there)
    if isinstance(choice, str):
        choice = [choice]
    if isinstance(choice, (slice, tuple)):
        return _between(choice, there, name)
    wanted = sorted({str(key) for key in choice})
    missing = [key for key in wanted if key not in there]
    if missing or not wanted:
        asked = ", ".join(missing[:5]) + (", ..." if missing[5:] else "")
        raise RollKeyError(
            f"{name}: {_count(missing)} asked for and has no finished recorder: {asked}; there are "
            f"{_extent(there)}. Materialize `recorders` of what is missing, or ask for others"
            if missing
            else f"{name}: the list of rolls is empty: leave `rolls` out for all of them"
        )
    return wanted


def _between(choice: slice | tuple[Any, Any], there: Sequence[str], name: str) -> list[str]:
    ends = (choice.start, choice.stop) if isinstance(choice, slice) else choice
    if len(ends) != 2:
        raise RollKeyError(
            f"{name}: rolls={choice!r} is no range: a pair (first, last) is one, and several keys "
            "are a list"
        )
    first, last = (None if end is None else f"{to_day(end):%Y-%m-%d}" for end in ends)
    if first and last and first > last:
        raise RollKeyError(f"{name}: the range of rolls ends on {last}, before it starts ({first})")
    chosen = [key for key in there if (not first or first <= key) and (not last or key <= last)]
    if not chosen:
        raise RollKeyError(
            f"{name}: no finished roll has a key from {first or 'the start'} to "
            f"{last or 'the end'}: there are {_extent(there)}"
        )
    return chosen


def _count(missing: Sequence[str]) -> str:
    return "one roll is" if len(missing) == 1 else f"each of {len(missing)} rolls is"


def _extent(there: Sequence[str]) -> str:
    if not there:
        return "none"
    return f"{len(there)} rolls from {there[0]} to {there[-1]}" if there[1:] else f"only {there[0]}"
