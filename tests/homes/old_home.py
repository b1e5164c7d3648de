"""The strategies and tasks of the old home, as they were when it was recorded.

They are never changed: a home folder that somebody has was made of definitions like these.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster import RollingGen, RollingStrategy

HERE = Path(__file__).parent
ARCHIVE = HERE / "old_home.tar.xz"
EXPECTED = HERE / "expected.json"
PLACE = "/home/of/wf"  # where it was recorded; stands in the databases and in some pickles
PRICES = "prices.parquet"

MONTHLY, SESSIONS = "ridge_monthly", "lgbm_sessions"  # the strategies, and their experiments
NOT_BEGUN = "not begun"  # a strategy that only pickled managers know
BLEND = "blend"  # the signals that the asset made; "signals" holds those that a manager sent
TRIALS = "trials"  # the pool with tasks in each status, and the experiment of their recorders
RESULTS = "results"  # the pool with a result that is too big for the pool
BACKFILLED = "2022-05-20"  # the session as of which the rolls were backfilled and went online
WORKED = "2022-06-03"  # the last session that was worked through
PRICES_END = "2022-06-30"
REACH = 3  # a label at t is known at the close of t + 3
FEATURES = [
    {"func": "wf_dagster.data.features.momentum", "kwargs": {"windows": [5, 20]}},
    {"func": "wf_dagster.data.features.volatility", "kwargs": {"windows": [20]}},
]
LABEL = {"func": "wf_dagster.data.labels.forward_return", "kwargs": {"horizon": REACH - 1}}
SIGNAL_RECORDS = [
    {
        "class": "SignalRecord",
        "module_path": "wf_dagster.records",
        "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
    },
    {"class": "SigAnaRecord", "module_path": "wf_dagster.records", "kwargs": {}},
]


def describe_ridge(alpha: float = 1.0, estimator: str = "Ridge") -> dict[str, Any]:
    """A linear model of scikit-learn."""
    return {
        "class": "SklearnModel",
        "module_path": "wf_dagster.models",
        "kwargs": {"estimator": f"sklearn.linear_model.{estimator}", "alpha": alpha},
    }


def describe_monthly_task() -> dict[str, Any]:
    """The template of the strategy with steps of a month."""
    return {
        "model": describe_ridge(),
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "features": FEATURES,
                "label": LABEL,
                "segments": {
                    "train": ("2020-03-02", "2022-01-31"),
                    "test": ("2022-02-01", None),
                },
                "infer_processors": [
                    {"class": "CSZScoreNorm", "kwargs": {"fields_group": "feature"}},
                    {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
                ],
                "learn_processors": [
                    {"class": "DropnaLabel"},
                    {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
                ],
            },
        },
        "record": SIGNAL_RECORDS,
    }


def describe_session_task() -> dict[str, Any]:
    """The template of the strategy with steps of ten sessions."""
    processors = "wf_dagster.data.processors"
    return {
        "model": {
            "class": "LightGBMModel",
            "module_path": "wf_dagster.models",
            "kwargs": {
                "num_boost_round": 12,
                "early_stopping_rounds": 4,
                "num_leaves": 4,
                "learning_rate": 0.2,
                "num_threads": 1,
            },
        },
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "features": "wf_dagster.data.features.price_features",
                "label": LABEL,
                "segments": {
                    "train": ("2021-03-01", "2022-02-28"),
                    "valid": ("2022-03-01", "2022-04-11"),
                    "test": ("2022-04-12", None),
                },
                "infer_processors": [
                    {
                        "class": "RobustZScoreNorm",
                        "module_path": processors,
                        "kwargs": {"fields_group": "feature"},
                    },
                    {
                        "class": "ZScoreNorm",
                        "module_path": processors,
                        "kwargs": {"fields_group": "feature"},
                    },
                ],
                "learn_processors": [{"class": "DropnaLabel", "module_path": processors}],
            },
        },
        "record": [
            *SIGNAL_RECORDS,
            {
                "class": "PortAnaRecord",
                "module_path": "wf_dagster.records",
                "kwargs": {"topk": 2, "n_drop": 1},
            },
        ],
    }


def describe_trial(alpha: float, **dataset: Any) -> dict[str, Any]:
    """A task of the pool: ridge on two months, tested on half of one."""
    return {
        "model": describe_ridge(alpha),
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "features": FEATURES,
                "label": LABEL,
                "segments": {
                    "train": ("2021-09-01", "2021-10-29"),
                    "test": ("2021-11-10", "2021-11-24"),
                },
                **dataset,
            },
        },
        "record": SIGNAL_RECORDS[:1],
    }


def make_monthly_gen() -> RollingGen:
    return RollingGen("month", rtype=RollingGen.ROLL_EX, trunc_days=REACH)


def make_session_gen() -> RollingGen:
    return RollingGen(10, rtype=RollingGen.ROLL_SD, trunc_days=REACH + 1)


def make_strategies() -> list[RollingStrategy]:
    return [
        RollingStrategy(MONTHLY, describe_monthly_task(), make_monthly_gen()),
        RollingStrategy(SESSIONS, describe_session_task(), make_session_gen()),
    ]


def summarize_frame(frame: pd.DataFrame | pd.Series) -> dict[str, Any]:
    """What tells a frame with rows (datetime, instrument) from another one."""
    values = frame.to_frame("score") if isinstance(frame, pd.Series) else frame
    days = values.index.get_level_values("datetime")
    names = values.index.get_level_values("instrument")
    column = values.iloc[:, 0].to_numpy(dtype="float64")
    rows = [
        [f"{day:%Y-%m-%d}", str(name), "" if np.isnan(value) else f"{value:.9g}"]
        for day, name, value in zip(days, names, column, strict=True)
    ]
    return {
        "rows": len(rows),
        "columns": [str(name) for name in values.columns],
        "first": rows[0],
        "last": rows[-1],
        "digest": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
    }
