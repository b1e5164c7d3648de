"""The tasks of both sides: Qlib's classes on Alpha158."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.market import day

LOOKBACK = 60  # sessions that the longest feature of Alpha158 looks back
VALID = 60
REACH = 2  # sessions that the label looks ahead


def template(model: dict[str, Any], sessions: int, test: tuple[int, int]) -> dict[str, Any]:
    """A task on the first so many sessions, with a test segment between two of them."""
    test_from, test_to = test
    segments = {
        "train": (day(LOOKBACK), day(test_from - VALID - 1)),
        "valid": (day(test_from - VALID), day(test_from - 1)),
        "test": (day(test_from), day(test_to)),
    }
    return {
        "model": model,
        "dataset": {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": alpha158(sessions, segments["train"]), "segments": segments},
        },
        "record": [
            {"class": name, "module_path": "qlib.workflow.record_temp"}
            for name in ("SignalRecord", "SigAnaRecord")
        ],
    }


def alpha158(sessions: int, fit: tuple[str, str]) -> dict[str, Any]:
    """Alpha158 on all instruments, normalised as in Qlib's own examples."""
    return {
        "class": "Alpha158",
        "module_path": "qlib.contrib.data.handler",
        "kwargs": {
            "instruments": "all",
            "start_time": day(0),
            "end_time": day(sessions - 1),
            "fit_start_time": fit[0],
            "fit_end_time": fit[1],
            "infer_processors": [
                {
                    "class": "RobustZScoreNorm",
                    "kwargs": {"fields_group": "feature", "clip_outlier": True},
                },
                {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
            ],
            "learn_processors": [
                {"class": "DropnaLabel"},
                {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
            ],
        },
    }


def ridge(alpha: float = 0.5) -> dict[str, Any]:
    """A ridge regression."""
    return {
        "class": "LinearModel",
        "module_path": "qlib.contrib.model.linear",
        "kwargs": {"estimator": "ridge", "alpha": alpha},
    }


def lightgbm() -> dict[str, Any]:
    """LightGBM, 60 rounds; its threads are left to each side."""
    return {
        "class": "LGBModel",
        "module_path": "qlib.contrib.model.gbdt",
        "kwargs": {
            "num_boost_round": 60,
            "early_stopping_rounds": 60,
            "num_leaves": 31,
            "learning_rate": 0.05,
            "seed": 5,
            "verbosity": -1,
        },
    }


MODELS = {"ridge": ridge, "lightgbm": lightgbm}


def handler_file(task: dict[str, Any], home: str) -> str:
    """Qlib's own way to compute features once: a task's handler, kept in a file with its data."""
    from qlib.utils import init_instance_by_config

    file = Path(home, "handler.pkl")
    init_instance_by_config(task["dataset"]["kwargs"]["handler"]).to_pickle(file, dump_all=True)
    return f"file://{file}"


def on_handler(task: dict[str, Any], handler: str | None) -> dict[str, Any]:
    """A task, its handler read from a file if there is one."""
    if handler is not None:
        task["dataset"]["kwargs"]["handler"] = handler
    return task
