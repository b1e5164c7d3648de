"""The assets of one strategy, as a list that knows its strategy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dagster as dg

from wf_dagster.errors import SettingsError
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


def check_is_assets(strategy: Any, user: str) -> None:
    """Refuse what is not the assets of a strategy.

    Args:
        strategy: What was given.
        user: What takes it, for the message.

    Raises:
        SettingsError: It is something else, such as a :class:`RollingStrategySpec`.
    """
    if not isinstance(strategy, RollingAssets):
        raise SettingsError(
            f"{user} is given a {type(strategy).__name__}: give what build_rolling_assets(...) "
            "returned; of a RollingStrategySpec, build_strategy_definitions(spec) makes all parts"
        )
