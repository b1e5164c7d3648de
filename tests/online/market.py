"""A small market, and a strategy on it that trains in milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import wf_dagster
from wf_dagster import RollingGen, RollingStrategy
from wf_dagster.calendars import TradingCalendar

SESSIONS = TradingCalendar.from_exchange("XNYS", "2020-01-02", "2020-08-31").sessions
TRAIN, TEST, STEP = 25, 70, 8  # positions of the first segments; sessions a roll
REACH = 3  # a label at t is known at the close of t + 3
FEATURES = {"func": "wf_dagster.data.features.price_features", "kwargs": {"windows": [2, 5]}}
LABEL = {"func": "wf_dagster.data.labels.forward_return", "kwargs": {"horizon": REACH - 1}}


def made_prices(sessions: pd.DatetimeIndex = SESSIONS, instruments: int = 6) -> pd.DataFrame:
    """Random walks in long format: datetime, instrument, close; sorted by datetime."""
    random = np.random.default_rng(0)
    names = pd.Index([f"S{number}" for number in range(instruments)], name="instrument")
    steps = random.normal(0.0, 0.02, (len(sessions), instruments))
    close = pd.DataFrame(100 * np.exp(steps.cumsum(axis=0)), index=sessions, columns=names)
    return close.stack().rename("close").reset_index()


def use_prices(path: Path, prices: pd.DataFrame, **settings: Any) -> Path:
    """Write prices, and let them be those of the settings."""
    prices.to_parquet(path)
    wf_dagster.init(**{"prices": str(path), "max_workers": 1, **settings})
    return path


def day(position: int) -> str:
    """A session as an ISO date."""
    return f"{SESSIONS[position]:%Y-%m-%d}"


def template(alpha: float = 1.0, model: dict[str, Any] | None = None) -> dict[str, Any]:
    """A ridge task on the prices of the settings."""
    return {
        "model": model
        or {
            "class": "SklearnModel",
            "module_path": "wf_dagster.models",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": alpha},
        },
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "features": FEATURES,
                "label": LABEL,
                "segments": {"train": (day(TRAIN), day(TEST - 1)), "test": (day(TEST), None)},
                "infer_processors": [
                    {"class": "CSZScoreNorm", "kwargs": {"fields_group": "feature"}}
                ],
                "learn_processors": [{"class": "DropnaLabel"}],
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


def strategy(
    name: str = "ridge", templates: Any = None, trunc_days: int = REACH, step: int = STEP
) -> RollingStrategy:
    """Rolls of that task."""
    generator = RollingGen(step, rtype=RollingGen.ROLL_SD, trunc_days=trunc_days)
    return RollingStrategy(name, templates or template(), generator)
