"""What a strategy is: the value that its assets, steps, checks, schedule and sensors share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from wf_dagster.market import Market
from wf_dagster.orchestration.partitions.rolling_partitions import RollingPartitions
from wf_dagster.orchestration.resources.task_pool_resource import TaskPoolResource
from wf_dagster.orchestration.strategy.strategy_keys import StrategyKeys
from wf_dagster.rolling import RollingGen

# what serves is slow to import, and asked for when something runs
if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar
    from wf_dagster.online import OnlineToolR, RollingStrategy
    from wf_dagster.online.inspection import Inspection


@dataclass(frozen=True)
class StrategySpec:
    """A strategy in Dagster.

    Attributes:
        name: Its name, prefix of its asset keys.
        experiment: Its MLflow experiment.
        template: The task of the first roll.
        generator: How its segments move on.
        partitions: Its rolls.
        max_workers: Worker processes of a backfill; ``None`` is that of the settings.
        task_pool: Offers its rolls to workers outside Dagster.
        asset_keys: The keys of its assets, by part, where they are not ``NAME/PART``.
        analyses: Records that are computed on its collected predictions.
    """

    name: str
    experiment: str
    template: Mapping[str, Any]
    generator: RollingGen
    partitions: RollingPartitions
    max_workers: int | None = None
    task_pool: TaskPoolResource | None = None
    asset_keys: Mapping[str, dg.AssetKey] = field(default_factory=dict)
    analyses: Sequence[Any] = ()

    @property
    def market(self) -> Market:
        """The market on whose sessions it rolls."""
        return self.partitions.market

    @property
    def calendar(self) -> TradingCalendar:
        """Its sessions, with data up to the last one that has prices now."""
        from wf_dagster.online.sessions import session_calendar

        return session_calendar(self.market)

    @property
    def keys(self) -> StrategyKeys:
        """What its definitions are called."""
        return StrategyKeys(self.name, self.asset_keys)

    def online_tool(self) -> OnlineToolR:
        """What says which of its models are online."""
        from wf_dagster.online import OnlineToolR

        return OnlineToolR(self.experiment, trusted=self.market.modules, market=self.market)

    def online_strategy(self) -> RollingStrategy:
        """The online strategy of the same task."""
        from wf_dagster.online import RollingStrategy

        return RollingStrategy(self.experiment, self.template, self.generator, market=self.market)

    def inspection(self) -> Inspection:
        """The strategy as it is now, for checks."""
        from wf_dagster.online.inspection import Inspection

        return Inspection(self.experiment, self.partitions.rolls, self.market)
