"""Recorders of this session that hold code of its own, of a notebook or a script.

Who opens a recorder again by its id cannot say that this very session has trained it; only the
process knows.
"""

from __future__ import annotations

from collections.abc import Iterable

from wf_dagster.safe_pickle import MAIN

_ids: set[str] = set()


def note_trust(recorder_id: str, modules: Iterable[str]) -> None:
    """Remember a recorder whose task names what is defined in ``__main__``."""
    if not MAIN.isdisjoint(modules):
        _ids.add(recorder_id)


def modules_of(recorder_id: str) -> list[str]:
    """What may be loaded from a recorder because this session has trained it."""
    return sorted(MAIN) if recorder_id in _ids else []
