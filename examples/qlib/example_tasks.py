"""The tasks that the scripts beside this file train, unless they are given others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LINEAR = {
    "class": "LinearModel",
    "module_path": "qlib.contrib.model.linear",
    "kwargs": {"estimator": "ridge", "alpha": 1.0},
}
LIGHTGBM = {
    "class": "LGBModel",
    "module_path": "qlib.contrib.model.gbdt",
    "kwargs": {"num_boost_round": 200, "learning_rate": 0.05, "num_leaves": 64},
}
ROLLING = {
    "train": ("2010-01-01", "2014-12-31"),
    "valid": ("2015-01-01", "2015-12-31"),
    "test": ("2016-01-01", "2020-07-31"),
}
ONLINE = {**ROLLING, "test": ("2016-01-01", "2016-06-30")}  # the first roll; time brings the others


def task(
    model: dict[str, Any], segments: dict[str, Any], market: str = "csi100", end: str | None = None
) -> dict[str, Any]:
    """A model of Qlib's on its Alpha158."""
    handler = {
        "class": "Alpha158",
        "module_path": "qlib.contrib.data.handler",
        "kwargs": {
            "instruments": market,
            "start_time": segments["train"][0],
            "end_time": end,
            "fit_start_time": segments["train"][0],
            "fit_end_time": segments["train"][1],
            "infer_processors": [
                {"class": "RobustZScoreNorm", "kwargs": {"fields_group": "feature"}},
                {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
            ],
        },
    }
    return {
        "model": model,
        "dataset": {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": handler, "segments": segments},
        },
        "record": [
            {"class": "SignalRecord", "module_path": "qlib.workflow.record_temp"},
            {"class": "SigAnaRecord", "module_path": "qlib.workflow.record_temp"},
        ],
    }


def read_tasks(file: str | None) -> list[dict[str, Any]] | None:
    """A list of tasks in a JSON file; ``None`` without one."""
    return None if file is None else json.loads(Path(file).read_text())
