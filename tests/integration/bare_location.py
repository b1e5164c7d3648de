"""A code location of somebody who has nothing but a bare install and a CSV file of their own."""

from __future__ import annotations

import dagster as dg

from wf_dagster import Market, RollingGen, TrackingResource, build_rolling_assets

PROCESSORS = "wf_dagster.data.processors"

template = {
    "model": {
        "class": "SklearnModel",
        "module_path": "wf_dagster.models",
        "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 10.0},
    },
    "dataset": {
        "class": "PanelDataset",
        "module_path": "wf_dagster.data",
        "kwargs": {
            "segments": {"train": ("2020-01-01", "2020-12-31"), "test": ("2021-01-01", None)},
            "features": {
                "func": "wf_dagster.data.features.price_features",
                "kwargs": {"windows": [5, 10]},
            },
            "label": {"func": "wf_dagster.data.labels.forward_return", "kwargs": {"horizon": 1}},
            "infer_processors": [
                {"class": "CSZScoreNorm", "module_path": PROCESSORS},
                {"class": "Fillna", "module_path": PROCESSORS},
            ],
            "learn_processors": [{"class": "CSRankNorm", "module_path": PROCESSORS}],
        },
    },
    "record": [
        {"class": "SignalRecord", "module_path": "wf_dagster.records"},
        {"class": "SigAnaRecord", "module_path": "wf_dagster.records"},
    ],
}

defs = dg.Definitions(
    assets=build_rolling_assets(
        "momentum",
        template,
        RollingGen(step="month", rtype=RollingGen.ROLL_EX, trunc_days=3),
        market=Market("prices.csv", "prices"),
    ),
    resources={"tracking": TrackingResource()},
)
