"""A workflow file of Qlib's, as the tests write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

EXPERIMENT = "named_in_the_file"
RECORDS: list[dict[str, Any]] = [
    {
        "class": "SignalRecord",
        "module_path": "qlib.workflow.record_temp",
        "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
    },
    {"class": "SigAnaRecord", "module_path": "qlib.workflow.record_temp", "kwargs": {}},
    {
        "class": "PortAnaRecord",
        "module_path": "qlib.workflow.record_temp",
        "kwargs": {
            "config": {
                "strategy": {
                    "class": "TopkDropoutStrategy",
                    "module_path": "qlib.contrib.strategy",
                    "kwargs": {"signal": "<PRED>", "topk": 3, "n_drop": 1},
                },
                "backtest": {
                    "start_time": "2020-03-02",
                    "end_time": "2020-07-31",
                    "account": 1_000_000,
                    "benchmark": "SH600000",
                    "exchange_kwargs": {"deal_price": "close", "min_cost": 5},
                },
            }
        },
    },
]
MODEL = {
    "class": "LinearModel",
    "module_path": "qlib.contrib.model.linear",
    "kwargs": {"estimator": "ridge", "alpha": 0.05},
}
HANDLER_TIMES = """
    start_time: 2019-02-01
    end_time: 2020-08-11
    fit_start_time: 2019-03-01
    fit_end_time: 2019-10-31
"""
SEGMENTS = """
    train: [2019-03-01, 2019-10-31]
    valid: [2019-11-01, 2020-02-28]
    test: [2020-03-02, 2020-08-06]
"""
_PROCESSORS = {
    "infer_processors": [
        {"class": "RobustZScoreNorm", "kwargs": {"fields_group": "feature", "clip_outlier": True}},
        {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
    ],
    "learn_processors": [
        {"class": "DropnaLabel"},
        {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
    ],
}


def write_workflow(folder: Path, provider: Path, name: str = "workflow", **changes: Any) -> Path:
    """Write a workflow file; dates stand in it as YAML reads them.

    Args:
        folder: Where to.
        provider: Qlib's data.
        name: Of the file.
        **changes: Parts of the task, and ``experiment_name`` of the file (``None`` for none).
    """
    experiment = changes.pop("experiment_name", EXPERIMENT)
    handler = {
        "class": "Alpha158",
        "module_path": "qlib.contrib.data.handler",
        "kwargs": {**yaml.safe_load(HANDLER_TIMES), "instruments": "all", **_PROCESSORS},
    }
    dataset = {
        "class": "DatasetH",
        "module_path": "qlib.data.dataset",
        "kwargs": {"handler": handler, "segments": yaml.safe_load(SEGMENTS)},
    }
    config = {
        "qlib_init": {"provider_uri": str(provider), "region": "us", "kernels": 1},
        "task": {"model": MODEL, "dataset": dataset, **changes},
    }
    if experiment is not None:
        config["experiment_name"] = experiment
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
