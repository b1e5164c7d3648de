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
    build_rolling_assets,
    build_signals_asset,
)

# The state of a clone stays in the clone, unless WF_HOME says otherwise.
wf_dagster.init(home=os.environ.get("WF_HOME") or Path(__file__).parents[1] / ".wf")

# With a task store, workers on other machines can take rolls of a backfill.
task_pool = TaskPoolResource() if wf_dagster.get_settings().task_store else None

rolling_assets = [
    asset
    for name, strategy in STRATEGIES.items()
    for asset in build_rolling_assets(
        name,
        strategy.template,
        strategy.generator,
        description=strategy.description,
        owners=OWNERS,
        kinds=strategy.kinds,
        task_pool=task_pool,
    )
]

defs = dg.Definitions(
    assets=[*rolling_assets, build_signals_asset(list(STRATEGIES), owners=OWNERS)],
    resources={"tracking": TrackingResource()},
)
