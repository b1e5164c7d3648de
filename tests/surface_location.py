"""A code location of one sample strategy, for ``record_public_surface.py``."""

from __future__ import annotations

import dagster as dg

from assets.strategies import OWNERS, STRATEGIES
from wf_dagster.orchestration import (
    TrackingResource,
    build_freshness_sensor,
    build_online_checks,
    build_online_schedule,
    build_rolling_assets,
    build_signals_asset,
    failed_recorder_sensor,
    new_data_sensor,
    roll_due_sensor,
)

NAME = "sp500_ridge"

strategy = build_rolling_assets(
    NAME, STRATEGIES[NAME].template, STRATEGIES[NAME].generator, owners=OWNERS
)

defs = dg.Definitions(
    assets=[*strategy, build_signals_asset([NAME])],
    asset_checks=build_online_checks([strategy]),
    schedules=[build_online_schedule(strategy, "30 17 * * *", "America/New_York")],
    sensors=[
        new_data_sensor(strategy),
        roll_due_sensor(strategy),
        failed_recorder_sensor(),
        build_freshness_sensor([strategy]),
    ],
    resources={"tracking": TrackingResource()},
    executor=dg.in_process_executor,
)
