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
import pandas as pd

from wf_dagster.tables.cache import write_text

if TYPE_CHECKING:
    from wf_dagster.data.panel import Panel
    from wf_dagster.prices import FrameSource

_log = logging.getLogger(__name__)


def replay_panel(
    family: str, source: FrameSource, compute_panel: Callable[[FrameSource], Panel], folder: Path
) -> Panel:
    """The panel of a source that hides something.

    Args:
        family: Names the definition and the prices, whatever the replay date.
        source: Its ``as_of`` is the replay date.
        compute_panel: Computes the panel of a source, or takes it from the tables.
        folder: Where it is noted what was measured.
    """
    assert source.as_of is not None
    as_of = f"{source.as_of:%Y-%m-%d}"
    note = folder / f"{family}.replay.json"
    measured = _read(note)
    if measured is None or measured == {"first": as_of}:
        panel = compute_panel(source)
        write_text(note, json.dumps({"first": as_of}))
        return panel
    whole = compute_panel(source.at(None))
    if "reach" not in measured:
        first = source.at(measured["first"])
        assert first.as_of is not None
        measured["reach"] = _measure_reach(whole, compute_panel(first), first.as_of)
        write_text(note, json.dumps(measured))
        if measured["reach"] is None:
            _log.warning(
                "features or labels of %r change when later prices come, so they look ahead: they "
                "are computed again for each replay date",
                source,
            )
    if measured["reach"] is None:
        return compute_panel(source)
    return _cut(whole, source.as_of, measured["reach"])


def _cut(panel: Panel, as_of: pd.Timestamp, reach: list[list[int]]) -> Panel:
    """The panel as it was at a date; of some columns the last sessions are not known yet."""
    rows = panel.moments.position(as_of.date(), "end")
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


def _measure_reach(whole: Panel, visible: Panel, as_of: pd.Timestamp) -> list[list[int]] | None:
    """How many sessions each label looks ahead; ``None`` if cutting does not give what was shown.

    Args:
        whole: The panel of all prices.
        visible: The panel of the prices shown at the replay date.
        as_of: The replay date.
    """
    rows = len(visible.index)
    if list(whole.columns) != list(visible.columns) or not whole.index[:rows].equals(visible.index):
        return None
    sessions = np.unique(visible.days)
    reach = []
    for column, (group, _) in enumerate(whole.columns):
        if group != "label":
            continue
        lost = np.isnan(visible.values[:, column]) & ~np.isnan(whole.values[:rows, column])
        first = visible.days[int(np.argmax(lost))] if lost.any() else None
        ahead = 0 if first is None else len(sessions) - int(np.searchsorted(sessions, first))
        reach.append([column, ahead])
    cut = _cut(whole, as_of, reach).slice(None, None).to_numpy()
    same = all(
        np.allclose(cut[:, n], visible.values[:, n], rtol=1e-9, atol=1e-12, equal_nan=True)
        for n in range(cut.shape[1])
    )
    return reach if same else None


def _read(note: Path) -> dict[str, Any] | None:
    try:
        measured: dict[str, Any] = json.loads(note.read_text())
    except (OSError, ValueError):
        return None
    return measured
