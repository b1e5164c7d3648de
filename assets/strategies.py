"""The two sample strategies: what is forecast, with what, and how it rolls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wf_dagster.rolling import RollingGen

HORIZON = 5  # sessions from the trade to the end of the forecast
REACH = HORIZON + 1  # a label at t uses prices up to t + 6: it trades one session later

OWNERS = ["team:quant"]


@dataclass(frozen=True)
class Strategy:
    """A task template and how it rolls."""

    template: dict[str, Any]
    generator: RollingGen
    description: str
    kinds: tuple[str, ...]


def _dataset(segments: dict[str, tuple[str, str | None]]) -> dict[str, Any]:
    normalise = {"class": "CSZScoreNorm", "module_path": "wf_dagster.data.processors"}
    return {
        "class": "PanelDataset",
        "module_path": "wf_dagster.data",
        "kwargs": {
            "segments": segments,
            "features": "wf_dagster.data.features.price_features",
            "label": {
                "func": "wf_dagster.data.labels.forward_return",
                "kwargs": {"horizon": HORIZON},
            },
            "infer_processors": [
                {**normalise, "kwargs": {"fields_group": "feature"}},
                {"class": "Fillna", "module_path": "wf_dagster.data.processors", "kwargs": {}},
            ],
            "learn_processors": [
                {
                    "class": "DropnaLabel",
                    "module_path": "wf_dagster.data.processors",
                    "kwargs": {},
                },
                {**normalise, "kwargs": {"fields_group": "label"}},
            ],
        },
    }


def _records() -> list[dict[str, Any]]:
    return [
        {
            "class": "SignalRecord",
            "module_path": "wf_dagster.records",
            "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
        },
        {"class": "SigAnaRecord", "module_path": "wf_dagster.records", "kwargs": {}},
    ]


def ridge_template() -> dict[str, Any]:
    """Ridge regression, trained on all history since 2008."""
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "wf_dagster.models",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 10.0},
        },
        "dataset": _dataset({"train": ("2008-01-02", "2017-12-29"), "test": ("2018-01-01", None)}),
        "record": _records(),
    }


def lgbm_template() -> dict[str, Any]:
    """Gradient boosting on eight years, stopped early on the ninth."""
    return {
        "model": {
            "class": "LightGBMModel",
            "module_path": "wf_dagster.models",
            "kwargs": {
                "num_boost_round": 200,
                "early_stopping_rounds": 20,
                "learning_rate": 0.05,
                "num_leaves": 15,
                "min_data_in_leaf": 100,
                "feature_fraction": 0.8,
                "seed": 7,
            },
        },
        "dataset": _dataset(
            {
                "train": ("2011-01-03", "2018-12-20"),
                "valid": ("2019-01-02", "2019-12-31"),
                "test": ("2020-01-02", None),
            }
        ),
        "record": _records(),
    }


STRATEGIES = {
    "sp500_ridge": Strategy(
        ridge_template(),
        RollingGen(step="month", rtype=RollingGen.ROLL_EX, trunc_days=REACH + 1),
        "Ridge regression on price features of 20 S&P 500 stocks, monthly rolls.",
        ("scikitlearn",),
    ),
    "sp500_lgbm": Strategy(
        lgbm_template(),
        RollingGen(step=20, rtype=RollingGen.ROLL_SD, trunc_days=REACH + 1),
        "LightGBM on price features of 20 S&P 500 stocks, rolls of 20 sessions.",
        ("lightgbm",),
    ),
}
