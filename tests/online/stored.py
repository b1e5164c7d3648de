"""All that online serving has kept of a strategy, in a form that two stores can be compared by."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from wf_dagster import RollingStrategy
from wf_dagster.online.signal_store import load_signals
from wf_dagster.tracking import find_recorders
from wf_dagster.tracking.recorder import Recorder

ONLINE = {"online", "next_online", "offline"}


def read_stored(*strategies: RollingStrategy, signals: str = "signals") -> dict[str, Any]:
    """Ledger, tags, predictions and labels by roll, and the signals."""
    made: dict[str, Any] = {"signals": load_signals(signals, [s.name_id for s in strategies])}
    for strategy in strategies:
        names: dict[str, str] = {}
        for recorder in find_recorders(strategy.name_id):  # finished trainings
            recorder.trusted |= strategy.tool.trusted
            names[recorder.id] = name = name_of(strategy, recorder)
            made[f"{name} pred"] = recorder.load_object("pred.pkl")
            made[f"{name} label"] = recorder.load_object("label.pkl")
            made[f"{name} tag"] = recorder.list_tags().get("online_status")
        made[f"{strategy.name_id} state"] = named(asdict(strategy.tool.state()), names)
    return made


def name_of(strategy: RollingStrategy, recorder: Recorder) -> str:
    """What tells a recorder from the others of its store, whichever store that is."""
    task = strategy.task_of(recorder)
    start = strategy.roll_start(task)
    model = task["model"]["kwargs"] if isinstance(task["model"], dict) else task["model"]
    return f"{strategy.name_id} {model} {start:%Y-%m-%d}"


def named(value: Any, names: dict[str, str]) -> Any:
    """Plain values with the ids of recorders replaced by names."""
    if isinstance(value, dict):
        return {names.get(key, key): named(one, names) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [named(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) else value


def history_of(manager: Any) -> dict[str, dict[str, list[str]]]:
    """The manager's history with names in place of recorders."""
    return {
        f"{session:%Y-%m-%d}": {
            strategy.name_id: [name_of(strategy, recorder) for recorder in recorders]
            for strategy, recorders in by.items()
        }
        for session, by in manager.history.items()
    }


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Equal; numbers in frames to 1e-9."""
    assert sorted(one) == sorted(other)
    for key, value in one.items():
        if isinstance(value, pd.Series):
            pd.testing.assert_series_equal(value, other[key], rtol=0, atol=1e-9, obj=key)
        elif isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other[key], rtol=0, atol=1e-9, obj=key)
        else:
            assert value == other[key], key
