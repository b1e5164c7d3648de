"""A code location as a user has one, with a schedule that ticks every minute."""

from __future__ import annotations

import dagster as dg

import wf_dagster
from assets.strategies import ridge_template
from wf_dagster.orchestration import (
    TrackingResource,
    build_online_schedule,
    build_rolling_assets,
    build_signals_asset,
    failed_recorder_sensor,
    new_data_sensor,
)
from wf_dagster.rolling import RollingGen

wf_dagster.init()

template = ridge_template()
template["model"] |= {"class": "Held", "module_path": "tests.support"}
template["dataset"]["kwargs"]["segments"] = {
    "train": ("2018-01-02", "2022-08-01"),
    "test": ("2022-09-01", None),
}
strategy = build_rolling_assets("ridge", template, RollingGen(step="month", trunc_days=7))

defs = dg.Definitions(
    assets=[*strategy, build_signals_asset(["ridge"])],
    schedules=[build_online_schedule(strategy, "* * * * *", "UTC")],
    sensors=[
        new_data_sensor(strategy, minimum_interval_seconds=1),
        failed_recorder_sensor(minimum_interval_seconds=1),
    ],
    resources={"tracking": TrackingResource()},
    executor=dg.in_process_executor,
)
