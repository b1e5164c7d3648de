"""Assets that look at all rolls of a strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg

from wf_dagster.orchestration.assets.asset_options import ChosenOptions
from wf_dagster.orchestration.automation.conditions import on_new_results
from wf_dagster.orchestration.strategy_spec import StrategySpec

Compute = Callable[[dg.AssetExecutionContext], dg.MaterializeResult[Any]]


def downstream_asset(
    spec: StrategySpec, options: ChosenOptions, compute: Compute, *, what: str, kinds: set[str]
) -> dg.AssetsDefinition:
    """An asset ``NAME/FUNCTION``, downstream of the predictions and labels of all rolls.

    Args:
        spec: The strategy.
        options: Those of its assets.
        compute: Makes it; its name is the asset's.
        what: What the asset is.
        kinds: What it is made with.
    """
    all_rolls = dg.AllPartitionMapping()
    return dg.asset(
        key=spec.keys.asset(compute.__name__),
        deps=[
            dg.AssetDep(key, partition_mapping=all_rolls)
            for key in spec.keys.assets(["predictions", "labels"])
        ],
        description=options.describe(what),
        group_name=options.group_name or spec.name,
        owners=list(options.owners),
        kinds=kinds,
        metadata={"mlflow_experiment": spec.experiment},
        automation_condition=on_new_results() if options.is_declarative else None,
    )(compute)
