"""Signals of sessions that were sent, completed by rows whose closes came late.

A row that was sent never changes. That rows were added to a session is kept beside the signals:
which session, for which strategy, how many rows, and when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from wf_dagster.collect.row_codes import merge_frames
from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.online.signal_store import KIND, days_of
from wf_dagster.tracking import find_recorder_of_kind

FILE = "revisions.pkl"
LateNames = Mapping[str, Mapping[str, Sequence[str]]]  # strategy, ISO date, instruments in order
_COLUMNS = {
    "session": "datetime64[ns]",
    "strategy": "object",
    "predictions": "int64",
    "rows": "int64",
    "revised_at": "datetime64[ns]",
}


def no_revisions() -> pd.DataFrame:
    """A frame of revisions without any."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _COLUMNS.items()})


def load_revisions(experiment_name: str = "signals") -> pd.DataFrame:
    """The sessions whose signals were completed after they were sent.

    Args:
        experiment_name: The experiment that keeps the signals.

    Returns:
        One row a session and strategy each time that rows were added, oldest first: ``session``;
        ``strategy``, whose closes came late; ``predictions``, how many came of them; ``rows``, how
        many signals were added, or made again of those added before; ``revised_at`` (UTC).
    """
    recorder = find_recorder_of_kind(experiment_name, KIND)
    if recorder is None:
        return no_revisions()
    try:
        revisions: pd.DataFrame = recorder.load_object(FILE)
    except ObjectNotFoundError:  # none was ever completed
        return no_revisions()
    return revisions


def first_to_make(sent: Any, first: pd.Timestamp, late: LateNames) -> pd.Timestamp:
    """The first session whose signals may be made again.

    A session that was sent and is completed by late rows is not made again as a whole.

    Args:
        sent: Signals that were sent.
        first: The first session that is to be made.
        late: Rows whose closes came late.
    """
    last = days_of(sent).max()
    is_late = any(f"{last:%Y-%m-%d}" in by_day for by_day in late.values())
    return max(first, last + pd.Timedelta(days=1)) if is_late else first


def first_unrevised(late: LateNames, revisions: pd.DataFrame) -> pd.Timestamp | None:
    """The first session with late rows that the signals have not taken in."""
    return min((day for _, day, _ in _fresh_rows(late, revisions)), default=None)


def revise_signals(
    sent: Any, signals: Any, late: LateNames, revisions: pd.DataFrame
) -> tuple[Any, pd.DataFrame]:
    """Complete signals that were sent by rows whose closes came late.

    Args:
        sent: Signals that were sent.
        signals: The same sessions, made anew of all rows.
        late: Rows whose closes came late.
        revisions: What was taken in of them before.

    Returns:
        The signals, and the revisions that were made now.
    """
    added = []
    rows = sent.index[:0]
    last = days_of(sent).max()
    for strategy, day, names in _fresh_rows(late, revisions):
        if day > last:
            continue
        of_day = signals.index[days_of(signals) == day]
        new = of_day[of_day.get_level_values("instrument").astype(str).isin(names)]
        rows = rows.append(new)
        now = pd.Timestamp.now("UTC").tz_localize(None)
        added.append((day, strategy, len(names), len(new), now))
    revised = pd.DataFrame(added, columns=list(_COLUMNS)).astype(_COLUMNS)
    completed = merge_frames([sent, signals.loc[rows.unique()]]) if len(rows) else sent
    return completed, revised


def _fresh_rows(
    late: LateNames, revisions: pd.DataFrame
) -> list[tuple[str, pd.Timestamp, list[str]]]:
    """Strategy, session and instruments that were not taken in yet."""
    fresh = []
    for strategy, by_day in late.items():
        for day, names in sorted(by_day.items()):
            taken = revisions[
                (revisions["session"] == pd.Timestamp(day)) & (revisions["strategy"] == strategy)
            ]
            if rest := list(names)[int(taken["predictions"].sum()) :]:
                fresh.append((strategy, pd.Timestamp(day), rest))
    return fresh
