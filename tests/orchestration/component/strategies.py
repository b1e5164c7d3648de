"""Strategies as they are written in a ``defs.yaml``."""

from __future__ import annotations

import copy
from typing import Any

PARTS = ("recorders", "predictions", "labels", "collected", "online_models")


def task() -> dict[str, Any]:
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "wf_dagster.models",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 10.0},
        },
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "segments": {
                    "train": ["2015-01-02", "2019-12-31"],
                    "test": ["2020-01-02", "2020-06-30"],
                },
                "features": "wf_dagster.data.features.price_features",
                "label": {
                    "func": "wf_dagster.data.labels.forward_return",
                    "kwargs": {"horizon": 5},
                },
            },
        },
        "record": [
            {
                "class": "SignalRecord",
                "module_path": "wf_dagster.records",
                "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
            }
        ],
    }


def strategy(name: str = "momentum", **changes: Any) -> dict[str, Any]:
    """A strategy on the sample prices, with six monthly rolls."""
    return {
        "name": name,
        "generator": {"step": "month", "rtype": "expanding", "trunc_days": 7},
        "market": {"prices": "sample"},
        "template": copy.deepcopy(task()),
        **changes,
    }
