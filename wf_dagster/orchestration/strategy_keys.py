"""What the definitions of a strategy are called: assets, ops, jobs, schedule and sensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

ROLL_PARTS = ("recorders", "predictions", "labels")
FOLLOWING_PARTS = ("collected", "online_models")


@dataclass(frozen=True)
class StrategyKeys:
    """The names of a strategy's definitions; users have them in their run configurations.

    Args:
        name: That of the strategy.
    """

    name: str

    def asset(self, part: str) -> dg.AssetKey:
        """The key of one of its assets: ``NAME/PART``."""
        return dg.AssetKey([self.name, part])

    def assets(self, parts: Sequence[str]) -> list[dg.AssetKey]:
        """The keys of some of its assets."""
        return [self.asset(part) for part in parts]

    def check(self, part: str, check: str) -> dg.AssetCheckKey:
        """The key of a check of one of its assets."""
        return dg.AssetCheckKey(self.asset(part), check)

    @property
    def rolls_op(self) -> str:
        """The op of the partitioned assets, in the configuration of their runs."""
        return f"{self.name}_rolls"

    @property
    def roll_checks_op(self) -> str:
        """The op of the checks of the partitioned assets."""
        return f"{self.rolls_op}_checks"

    @property
    def online_job(self) -> str:
        """The job that brings the strategy up to a session."""
        return f"{self.name}_online"

    @property
    def online_schedule(self) -> str:
        """Its schedule."""
        return f"{self.name}_online_schedule"

    @property
    def new_data_sensor(self) -> str:
        """The sensor that launches it when the prices move on."""
        return f"{self.name}_new_data_sensor"

    @property
    def roll_due_sensor(self) -> str:
        """The sensor that launches it when a roll is due."""
        return f"{self.name}_roll_due_sensor"
