"""A strategy in Python: boosted trees in place of the linear model of ``momentum``."""

from typing import Any

import dagster as dg

from desk.paths import PRICES
from wf_dagster import Market, RollingGen, RollingStrategySpec, build_strategy_definitions

TASK: dict[str, Any] = {
    "model": {
        "class": "SklearnModel",
        "module_path": "wf_dagster.models",
        "kwargs": {
            "estimator": "sklearn.ensemble.HistGradientBoostingRegressor",
            "max_iter": 30,
            "random_state": 0,
        },
    },
    "dataset": {
        "class": "PanelDataset",
        "module_path": "wf_dagster.data",
        "kwargs": {
            "segments": {"train": ("2021-01-04", "2022-06-30"), "test": ("2022-07-01", None)},
            "features": "wf_dagster.data.features.price_features",
            "label": {
                "func": "wf_dagster.data.labels.forward_return",
                "kwargs": {"horizon": 5},
            },
            "learn_processors": [
                {"class": "DropnaLabel", "module_path": "wf_dagster.data.processors"}
            ],
        },
    },
    "record": [
        {
            "class": "SignalRecord",
            "module_path": "wf_dagster.records",
            "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
        },
        {"class": "SigAnaRecord", "module_path": "wf_dagster.records"},
    ],
}


@dg.definitions
def defs() -> dg.Definitions:
    return build_strategy_definitions(
        RollingStrategySpec(
            name="reversal",
            template=TASK,
            # labels look 6 sessions ahead: one to trade, five to hold
            generator=RollingGen("quarter", RollingGen.ROLL_SD, trunc_days=7),
            market=Market(PRICES),
            prices_asset="prices",
            owners=["team:desk"],
        )
    )
