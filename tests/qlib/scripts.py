"""The scripts of ``examples/qlib`` as the tests run them: their data, tasks and arguments."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from tests.qlib.provider import seeded_panel, write_provider
from tests.qlib.qlib_tasks import few_expressions, lightgbm, ridge, task

EXAMPLES = Path(__file__).parents[2] / "examples" / "qlib"
PANEL = seeded_panel(6, 260)
DAYS = PANEL.index.get_level_values("datetime").unique()
TEST = 140  # the first test session
STEP = 12

# What a Qlib user changes: where a name is imported from.
QLIBS = {
    "AverageEnsemble": "qlib.model.ens.ensemble",
    "DelayTrainerR": "qlib.model.trainer",
    "DelayTrainerRM": "qlib.model.trainer",
    "OnlineManager": "qlib.workflow.online.manager",
    "R": "qlib.workflow",
    "RecorderCollector": "qlib.workflow.task.collect",
    "RollingGen": "qlib.workflow.task.gen",
    "RollingGroup": "qlib.model.ens.group",
    "RollingStrategy": "qlib.workflow.online.strategy",
    "TaskManager": "qlib.workflow.task.manage",
    "TrainerR": "qlib.model.trainer",
    "TrainerRM": "qlib.model.trainer",
    "run_task": "qlib.workflow.task.manage",
    "task_generator": "qlib.workflow.task.gen",
    "task_train": "qlib.model.trainer",
}


def with_qlibs_imports(text: str) -> str:
    """A script that imports from this project, importing from Qlib instead."""

    def lines(match: re.Match[str]) -> str:
        names = re.findall(r"\w+", match[1])
        return "\n".join(f"from {QLIBS[name]} import {name}" for name in names)

    return re.sub(r"^from wf_dagster import (\([^)]*\)|[^(\n]+)$", lines, text, flags=re.MULTILINE)


def day(position: int) -> str:
    return f"{DAYS[position]:%Y-%m-%d}"


def template(model: dict[str, Any], last: int, end: str | None = None) -> dict[str, Any]:
    """A template whose test segment ends at a position."""
    fit = (day(20), day(TEST - 21))
    segments = {
        "train": fit,
        "valid": (day(TEST - 20), day(TEST - 1)),
        "test": (day(TEST), day(last)),
    }
    return task(model, few_expressions(day(15), end, fit), segments)


def rolling_tasks() -> list[dict[str, Any]]:
    return [template(model, TEST + 75, day(-1)) for model in (ridge(), lightgbm())]


def online_tasks(end: str | None = None) -> list[dict[str, Any]]:
    """The first roll only."""
    return [template(ridge(), TEST + STEP - 1, end)]


def added_tasks() -> list[dict[str, Any]]:
    return [template(lightgbm(), TEST + STEP - 1)]


# sessions of the first roll, its last one, the first one of the second roll
GROWS = (TEST + STEP - 5, TEST + STEP - 1, TEST + STEP)
CALLS = (["first_run"], ["routine"], ["routine", "add_strategy"])
SIMULATED = (TEST, TEST + 2 * STEP + 3)
ROLLING = {"region": "us", "step": 25, "experiment_name": "rolled"}
ONLINE = {"region": "us", "step": STEP}
SIMULATION = {
    "region": "us",
    "step": STEP,
    "experiment_name": "simulated",
    "start_time": day(SIMULATED[0]),
    "end_time": day(SIMULATED[1]),
    "benchmark": "SH600000",
    "topk": 2,
    "n_drop": 1,
}


def grow(folder: Path, last: int) -> Path:
    """Prices up to a session."""
    is_visible = PANEL.index.get_level_values("datetime") <= DAYS[last]
    return write_provider(folder, PANEL[is_visible])


def write_tasks(folder: Path, name: str, tasks: list[dict[str, Any]]) -> str:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(tasks))
    return str(path)


def starts_at(recorder: Any) -> pd.Timestamp:
    """The first test session of a recorder."""
    return pd.Timestamp(recorder.load_object("task")["dataset"]["kwargs"]["segments"]["test"][0])
