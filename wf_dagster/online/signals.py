"""The signals of an online manager: made once for each session, then kept as they were sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from wf_dagster.collect import keep
from wf_dagster.tracking import find_recorders
from wf_dagster.tracking.recorder import KIND_TAG

KIND = "signals"
FILE = "signals.pkl"


def days_of(frame: Any) -> pd.Index:
    """The day of each row."""
    days: pd.Index = frame.index.get_level_values("datetime")
    return days


def since(collected: Any, first: pd.Timestamp | None) -> Any:
    """The rows from a day on of frames in nested dicts; those without any are left out."""
    if first is None:
        return collected
    if isinstance(collected, Mapping):
        kept = {key: since(value, first) for key, value in collected.items()}
        return {key: value for key, value in kept.items() if len(value)}
    return collected[days_of(collected) >= first]


def appended(old: Any, new: Any, first: pd.Timestamp | None) -> Any:
    """Signals that were sent, followed by new ones.

    Args:
        old: Those that were sent; ``None`` for none.
        new: New ones; days before ``first`` are left out.
        first: Day of the first new ones; a later day that was sent already is replaced.
    """
    if old is None or first is None:
        return new
    fresh = new[days_of(new) >= first]
    if fresh.empty:
        return old
    return pd.concat([old[days_of(old) < days_of(fresh).min()], fresh])


def kept_signals(experiment_name: str) -> pd.DataFrame | None:
    """The signals that an experiment holds: rows ``(datetime, instrument)``, column ``score``."""
    kept = find_recorders(experiment_name, tags={KIND_TAG: KIND}, status=None)
    if not kept or FILE.replace(".pkl", ".parquet") not in kept[0].list_artifacts():
        return None
    frame: pd.DataFrame = kept[0].load_object(FILE)
    return frame


def keep_signals(experiment_name: str, signals: Any) -> Any:
    """Put signals into the experiment's one recorder for them, which is returned."""
    frame = signals.to_frame("score") if isinstance(signals, pd.Series) else signals
    figures = {"rows": len(frame), "sessions": int(days_of(frame).nunique())}
    return keep(experiment_name, KIND, {FILE: frame}, figures)
