"""Panels of replay dates, cut from the panel of all prices instead of computed for each date.

A feature looks back, so its value at a session is the same whatever came later; a label looks a
fixed number of sessions ahead. Where both hold, the panel of a replay date is the panel of all
prices, cut at that date, without the labels of the last sessions. That it holds is not believed but
measured: the first replay date of a definition is computed from the prices as they were shown
then, and compared. A definition that fails is computed for each date.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wf_dagster.tables import cache

if TYPE_CHECKING:
    from wf_dagster.data.panel import Panel
    from wf_dagster.prices import FrameSource

_log = logging.getLogger(__name__)


def replayed_panel(
    family: str, source: FrameSource, panel_of: Callable[[FrameSource], Panel]
) -> Panel:
    """The panel of a source that hides something.

    Args:
        family: Names the definition and the prices, whatever the replay date.
        source: Its ``as_of`` is the replay date.
        panel_of: Computes the panel of a source, or takes it from the cache.
    """
    assert source.as_of is not None
    as_of = f"{source.as_of:%Y-%m-%d}"
    note = cache.folder() / f"{family}.replay.json"
    known = _read(note)
    if known is None or known == {"first": as_of}:
        panel = panel_of(source)
        cache.write_text(note, json.dumps({"first": as_of}))
        return panel
    whole = panel_of(source.at(None))
    if "reach" not in known:
        first = source.at(known["first"])
        assert first.as_of is not None
        known["reach"] = _reach(whole, panel_of(first), np.datetime64(first.as_of, "D"))
        cache.write_text(note, json.dumps(known))
        if known["reach"] is None:
            _log.warning(
                "features or labels of %r change when later prices come, so they look ahead: they "
                "are computed again for each replay date",
                source,
            )
    if known["reach"] is None:
        return panel_of(source)
    return _cut(whole, np.datetime64(source.as_of, "D"), known["reach"])


def _cut(panel: Panel, as_of: Any, reach: list[list[int]]) -> Panel:
    """The panel as it was at a date; of some columns the last sessions are not known yet."""
    rows = int(np.searchsorted(panel.days, as_of, "right"))
    days = panel.days[:rows]
    sessions = np.unique(days)
    hidden = []
    for column, ahead in reach:
        place = max(len(sessions) - ahead, 0)
        row = int(np.searchsorted(days, sessions[place])) if place < len(sessions) else rows
        hidden.append((column, row))
    return replace(
        panel,
        index=panel.index[:rows],
        values=panel.values[:rows],
        days=days,
        hidden=tuple(hidden),
    )


def _reach(whole: Panel, shown: Panel, as_of: Any) -> list[list[int]] | None:
    """How many sessions each label looks ahead; ``None`` if cutting does not give what was shown.

    Args:
        whole: The panel of all prices.
        shown: The panel of the prices shown at the replay date.
        as_of: The replay date.
    """
    rows = len(shown.index)
    if list(whole.columns) != list(shown.columns) or not whole.index[:rows].equals(shown.index):
        return None
    sessions = np.unique(shown.days)
    reach = []
    for column, (group, _) in enumerate(whole.columns):
        if group != "label":
            continue
        lost = np.isnan(shown.values[:, column]) & ~np.isnan(whole.values[:rows, column])
        first = shown.days[int(np.argmax(lost))] if lost.any() else None
        ahead = 0 if first is None else len(sessions) - int(np.searchsorted(sessions, first))
        reach.append([column, ahead])
    cut = _cut(whole, as_of, reach).slice(None, None).to_numpy()
    same = all(
        np.allclose(cut[:, n], shown.values[:, n], rtol=1e-9, atol=1e-12, equal_nan=True)
        for n in range(cut.shape[1])
    )
    return reach if same else None


def _read(note: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads(note.read_text())
    except (OSError, ValueError):
        return None
    return known
