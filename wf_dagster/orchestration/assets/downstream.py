"""Assets that look at all rolls of a strategy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from wf_dagster.orchestration.automation.conditions import on_new_results
from wf_dagster.orchestration.steps.backfill_step import RollStep

Compute = Callable[[dg.AssetExecutionContext], dg.MaterializeResult[Any]]


def downstream_asset(
    step: RollStep,
    compute: Compute,
    *,
    what: str,
    description: str,
    kinds: set[str],
    group_name: str,
    owners: Sequence[str],
) -> dg.AssetsDefinition:
    """An asset ``NAME/FUNCTION``, downstream of the predictions and labels of all rolls.

    Args:
        step: Of the strategy.
        compute: Makes it; its name is the asset's.
        what: What the asset is.
        description: The strategy's own.
        kinds: What it is made with.
        group_name: Dagster's group.
        owners: Dagster's owners.
    """
    all_rolls = dg.AllPartitionMapping()
    return dg.asset(
        key=[step.name, compute.__name__],
        deps=[
            dg.AssetDep([step.name, part], partition_mapping=all_rolls)
            for part in ("predictions", "labels")
        ],
        description="\n\n".join(filter(None, [what, description])),
        group_name=group_name,
        owners=list(owners),
        kinds=kinds,
        metadata={"mlflow_experiment": step.experiment},
        automation_condition=on_new_results() if step.declarative else None,
    )(compute)
