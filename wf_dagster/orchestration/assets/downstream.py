"""Assets that look at all rolls of a strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg

from wf_dagster.orchestration.frames.frames_io_manager import multi_asset_with_frames
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.strategy_keys import StrategyKeys

Compute = Callable[[dg.AssetExecutionContext], dg.MaterializeResult[Any]]


def downstream_asset(
    strategy: RollingStrategySpec, asset: dg.AssetSpec, compute: Compute
) -> dg.AssetsDefinition:
    """An asset of a strategy that has no partitions: it looks at all rolls.

    Args:
        strategy: The strategy, for how its steps run.
        asset: Which asset it is.
        compute: Makes it; its name is the part of the strategy that it is.
    """
    op = StrategyKeys(strategy.name).following_op(compute.__name__)
    return multi_asset_with_frames(
        [asset],
        name=op,
        retry_policy=strategy.retry_policy,
        op_tags=dict(strategy.op_tags),
        pool=strategy.pool,
    )(compute)
