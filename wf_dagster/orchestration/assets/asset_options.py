"""What may be chosen for the assets of a strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from typing_extensions import TypedDict

from wf_dagster.orchestration.host_prices.price_keys import PricesAsset
from wf_dagster.orchestration.resources.task_pool_resource import TaskPoolResource
from wf_dagster.orchestration.strategy.conditions import Automation


class AssetOptions(TypedDict, total=False):
    """The options of :func:`build_rolling_assets`, described at :class:`RollingStrategySpec`."""

    experiment_name: str | None
    description: str
    owners: Sequence[str]
    group_name: str | None
    kinds: Sequence[str]
    tags: Mapping[str, str]
    max_workers: int | None
    backfill_policy: dg.BackfillPolicy | None
    retry_policy: dg.RetryPolicy | None
    task_pool: TaskPoolResource | None
    automation: Automation
    prices_asset: PricesAsset | None
    key_prefix: str | Sequence[str]
    tracking_key: str
    op_tags: Mapping[str, Any]
    pool: str | None
    allow_look_ahead: bool
    analyses: Sequence[Any]
