"""What Dagster loads: the assets of the strategies, their signals, and the resource."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

import wf_dagster
from assets.strategies import OWNERS, STRATEGIES
from wf_dagster.orchestration import (
    TaskPoolResource,
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

# The state of a clone stays in the clone, unless WF_HOME says otherwise.
wf_dagster.init(home=os.environ.get("WF_HOME") or Path(__file__).parents[1] / ".wf")

# With a task store, workers on other machines can take rolls of a backfill.
task_pool = TaskPoolResource() if wf_dagster.get_settings().task_store else None

strategies = [
    build_rolling_assets(
        name,
        strategy.template,
        strategy.generator,
        description=strategy.description,
        owners=OWNERS,
        kinds=strategy.kinds,
        task_pool=task_pool,
    )
    for name, strategy in STRATEGIES.items()
]

defs = dg.Definitions(
    assets=[
        *(asset for strategy in strategies for asset in strategy),
        build_signals_asset(list(STRATEGIES), owners=OWNERS),
    ],
    # of twenty instruments the mean IC of sixty sessions strays below the usual floor by chance
    asset_checks=build_online_checks(strategies, ic_floor=-0.1),
    schedules=[
        build_online_schedule(strategy, "30 17 * * *", "America/New_York")
        for strategy in strategies
    ],
    sensors=[
        *(new_data_sensor(strategy) for strategy in strategies),
        *(roll_due_sensor(strategy) for strategy in strategies),
        failed_recorder_sensor(),
        build_freshness_sensor(strategies),
    ],
    resources={"tracking": TrackingResource()},
)
