"""A strategy as one value: what its definitions are built of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from wf_dagster.errors import SettingsError
from wf_dagster.orchestration.host_prices.price_keys import PricesAsset, asset_key_of
from wf_dagster.orchestration.host_prices.run_prices import AssetPrices, run_prices
from wf_dagster.orchestration.resources.task_pool_resource import TaskPoolResource
from wf_dagster.orchestration.strategy.conditions import Automation, is_declarative
from wf_dagster.orchestration.strategy.strategy_keys import (
    ANALYSES,
    FOLLOWING_PARTS,
    check_strategy_name,
    key_path,
)
from wf_dagster.training.task_market import take_market

if TYPE_CHECKING:
    from wf_dagster.market import Market
    from wf_dagster.rolling import RollingGen


@dataclass(frozen=True, kw_only=True)
class RollingStrategySpec:
    """A strategy as a value: what it forecasts, how it rolls, and how Dagster shows and runs it.

    Attributes:
        name: Its name, which its asset keys, op, job, schedule and sensors begin with, and its
            MLflow experiment: letters, digits and ``_``.
        template: The task of the first roll (``model``, ``dataset``, ``record``).
        generator: How its segments move on; ``step`` sets the kind of partitions.
        market: Where prices come from and on which sessions the strategy rolls, is checked and
            scheduled; default that of the settings, on the generator's calendar if it has one.
        experiment_name: MLflow experiment, if it is not to be called ``name``.
        description: One line on the strategy, shown on each of its assets.
        owners: Owners as Dagster takes them (an e-mail address, or ``"team:quant"``).
        group_name: Dagster group; default ``name``.
        kinds: Further kinds of ``recorders``, for example ``["scikitlearn"]``.
        tags: Tags of its assets.
        max_workers: Worker processes of a backfill; default the setting ``max_workers``.
        backfill_policy: Default one run for the whole backfill.
        retry_policy: Retries of a failed step; a retry trains only what is missing.
        task_pool: Offers the rolls to workers outside Dagster too.
        automation: ``"declarative"`` lets the assets follow the asset of the prices by automation
            conditions, in place of a schedule or sensors.
        prices_asset: The asset of the prices, or its key (``/`` between the parts), with partitions
            of any kind or none: ``recorders``, ``predictions`` and ``labels`` depend on it. Default
            that of the market's :class:`AssetPrices`, or ``"prices"`` where the assets are
            declarative, else none.
        key_prefix: What its asset keys have before ``name``.
        tracking_key: Key of its resource :class:`TrackingResource`.
        op_tags: Tags of its steps, for example what Kubernetes should give them.
        pool: Dagster's concurrency pool of its steps.
        cron: When its schedule ticks: every day, after the close and after the prices have come.
        execution_timezone: Time zone of the cron line, that of the exchange.
        signals: Key of its signals, ``/`` between the parts; strategies of one call that name the
            same one share it. Default ``signals`` beside its other assets for a strategy that is
            alone, the key ``signals`` for several.
        allow_look_ahead: Whether labels of ``train`` may reach into the test segment.
        analyses: Records as in a task (such as ``SigAnaRecord``, ``PortAnaRecord`` and Qlib's) that
            are computed once, on the collected predictions of all rolls: the asset ``analyses``
            downstream of ``collected``. Default none, and no such asset.

    Raises:
        SettingsError: The name or the prefix cannot be part of keys, or a text or a mapping is
            where a list belongs.
        OnlineError: ``automation`` is unknown.
    """

    name: str
    template: Mapping[str, Any]
    generator: RollingGen
    market: Market | None = None
    experiment_name: str | None = None
    description: str = ""
    owners: Sequence[str] = ()
    group_name: str | None = None
    kinds: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    max_workers: int | None = None
    backfill_policy: dg.BackfillPolicy | None = None
    retry_policy: dg.RetryPolicy | None = None
    task_pool: TaskPoolResource | None = None
    automation: Automation = "manual"
    prices_asset: PricesAsset | None = None
    key_prefix: str | Sequence[str] = ()
    tracking_key: str = "tracking"
    op_tags: Mapping[str, Any] = field(default_factory=dict)
    pool: str | None = None
    cron: str = "30 17 * * *"
    execution_timezone: str = "UTC"
    signals: str | None = None
    allow_look_ahead: bool = False
    analyses: Sequence[Any] = ()

    def __post_init__(self) -> None:
        check_strategy_name(self.name)
        key_path(self.key_prefix)
        is_declarative(self.automation)
        for field_name in ("owners", "kinds", "analyses"):
            if isinstance(value := getattr(self, field_name), (str, Mapping)):
                kind = "text" if isinstance(value, str) else "mapping"
                raise SettingsError(
                    f"{field_name} of strategy {self.name!r} is the {kind} {value!r}: give a list, "
                    f"[{value!r}]"
                )

    @property
    def experiment(self) -> str:
        """Its MLflow experiment."""
        return self.experiment_name or self.name

    @property
    def group(self) -> str:
        """Its Dagster group."""
        return self.group_name or self.name

    @property
    def following_parts(self) -> tuple[str, ...]:
        """Its assets that look at all rolls."""
        return (*FOLLOWING_PARTS, *([ANALYSES] if self.analyses else []))

    @property
    def is_declarative(self) -> bool:
        """Whether its assets carry automation conditions."""
        return is_declarative(self.automation)

    @property
    def upstream_prices(self) -> PricesAsset | None:
        """The asset of its prices."""
        if self.prices_asset is not None:
            return self.prices_asset
        source = run_prices(self.market or take_market(self.template)[1])
        if isinstance(source, AssetPrices):
            return source.asset
        return dg.AssetKey("prices") if self.is_declarative else None

    @property
    def prices(self) -> dg.AssetKey | None:
        """The key of the asset of its prices."""
        asset = self.upstream_prices
        return None if asset is None else asset_key_of(asset)

    def default_key(self, part: str) -> dg.AssetKey:
        """The key of one of its assets where no translator gives another one."""
        return dg.AssetKey([*key_path(self.key_prefix), self.name, part])
