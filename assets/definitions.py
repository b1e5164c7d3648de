"""What Dagster loads: two strategies on the sample prices, and all that belongs to them."""

from __future__ import annotations

import os
from pathlib import Path

import wf_dagster
from assets.strategies import OWNERS, STRATEGIES
from wf_dagster.orchestration import (
    RollingStrategySpec,
    TaskPoolResource,
    build_strategy_definitions,
)

# The state of a clone stays in the clone, unless WF_HOME says otherwise.
wf_dagster.init(home=os.environ.get("WF_HOME") or Path(__file__).parents[1] / ".wf")

# With a task store, workers on other machines can take rolls of a backfill.
task_pool = TaskPoolResource() if wf_dagster.get_settings().task_store else None

defs = build_strategy_definitions(
    [
        RollingStrategySpec(
            name=name,
            template=strategy.template,
            generator=strategy.generator,
            description=strategy.description,
            owners=OWNERS,
            kinds=strategy.kinds,
            task_pool=task_pool,
            cron="30 17 * * *",
            execution_timezone="America/New_York",
        )
        for name, strategy in STRATEGIES.items()
    ],
    # of twenty instruments the mean IC of sixty sessions strays below the usual floor by chance
    with_checks={"ic_floor": -0.1},
)
