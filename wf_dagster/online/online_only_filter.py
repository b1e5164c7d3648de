"""Of what models have predicted: what they predicted while they were online."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.collect.row_codes import merge_frames
from wf_dagster.online.online_state import OnlineState
from wf_dagster.tracking import Recorder
from wf_dagster.training import DATA_UNTIL


@dataclass(frozen=True)
class OnlineOnlyFilter:
    """A collector's process that leaves each recorder the sessions at which it was online.

    Before the first session of the state there was no online model; there it leaves what was
    predicted by models that were trained by then.

    Attributes:
        state: Says which recorders were online when.
        until: The last session.
    """

    state: OnlineState
    until: pd.Timestamp

    def key(self, recorder: Recorder, key: tuple[Any, ...]) -> tuple[Any, ...]:
        """A recorder's key, so that the process can tell recorders apart."""
        return (*key, recorder.id, recorder.list_tags().get(DATA_UNTIL, ""))

    def __call__(self, collected: Mapping[Any, Any]) -> dict[Any, Any]:
        """Frames by key, without those that have no rows left."""
        parts: dict[Any, list[Any]] = {}
        for (*key, recorder_id, data_until), frame in collected.items():
            served = frame[self._is_served(frame, recorder_id, data_until)]
            if len(served):
                parts.setdefault(tuple(key), []).append(served)
        return {key: merge_frames(frames) for key, frames in parts.items()}

    def _is_served(self, frame: Any, recorder_id: str, data_until: str) -> Any:
        days = frame.index.get_level_values("datetime")
        changes = self.state.changes
        starts = [_day(change.session) for change in changes]
        ends = [*starts[1:], pd.Timestamp.max]
        served = np.zeros(len(days), dtype=bool)
        if starts and data_until <= changes[0].session:
            served |= days < starts[0]
        for change, start, end in zip(changes, starts, ends, strict=True):
            if recorder_id in change.online:
                served |= (days >= start) & (days < end)
        return served & (days <= self.until)


def _day(session: str) -> pd.Timestamp:
    return pd.Timestamp(session) if session else pd.Timestamp.min  # empty: set by hand, before any
