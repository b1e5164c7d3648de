"""The assets of one strategy, as a list that knows its strategy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dagster as dg

from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec


class RollingAssets(list[dg.AssetsDefinition]):
    """The assets of one strategy.

    Attributes:
        spec: The strategy: name, experiment, template, generator, partitions, market.
        jobs: The online jobs that were made of them, by the keys they refresh.
    """

    def __init__(self, assets: Iterable[dg.AssetsDefinition], spec: StrategySpec) -> None:
        super().__init__(assets)
        self.spec = spec
        self.jobs: dict[tuple[dg.AssetKey, ...], Any] = {}

    @property
    def name(self) -> str:
        """Name of the strategy, and prefix of the asset keys."""
        return self.spec.name

    def key(self, part: str) -> dg.AssetKey:
        """The key of one of the assets."""
        return self.spec.keys.asset(part)
