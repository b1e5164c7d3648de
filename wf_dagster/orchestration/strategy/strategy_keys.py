"""What the definitions of a strategy are called: assets, ops, jobs, schedule and sensors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from wf_dagster.errors import SettingsError

ROLL_PARTS = ("recorders", "predictions", "labels")
FOLLOWING_PARTS = ("collected", "online_models")
ANALYSES = "analyses"  # of strategies that have any
SIGNALS = "signals"

_NAME = re.compile(r"[A-Za-z0-9_]+")
_PREFIX = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class StrategyKeys:
    """The names of a strategy's definitions; users have them in their run configurations.

    Args:
        name: That of the strategy.
        by_part: The keys of its assets that are not ``NAME/PART``.
    """

    name: str
    by_part: Mapping[str, dg.AssetKey] = field(default_factory=dict)

    def asset(self, part: str) -> dg.AssetKey:
        """The key of one of its assets, as it was defined."""
        return self.by_part.get(part) or dg.AssetKey([self.name, part])

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

    def following_op(self, part: str) -> str:
        """The op of one of the assets that look at all rolls."""
        return f"{self.name}__{part}"

    def following_checks_op(self, part: str) -> str:
        """The op of the checks of such an asset."""
        return f"{self.following_op(part)}_checks"

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

    @property
    def freshness_sensor(self) -> str:
        """The sensor that asks whether its scores reach the last session."""
        return f"{self.name}_freshness_sensor"

    @property
    def failed_recorder_sensor(self) -> str:
        """The sensor that ends recorders of failed runs, where a component brings it along."""
        return f"{self.name}_failed_recorder_sensor"


def check_strategy_name(name: str) -> None:
    """Refuse a name that Dagster would refuse in one of its definitions.

    Raises:
        SettingsError: It is not made of letters, digits and ``_``.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SettingsError(
            f"strategy name {name!r}: use letters, digits and _, such as {_usable(name)!r}; it is "
            "part of asset keys and of the names of an op, a job, a schedule and sensors"
        )


def key_path(prefix: str | Sequence[str]) -> list[str]:
    """A key prefix as the parts of a key.

    Args:
        prefix: Text (``/`` between the parts), or the parts.

    Raises:
        SettingsError: A part is empty, or has letters that keys cannot have.
    """
    parts = prefix.split("/") if isinstance(prefix, str) and prefix else list(prefix)
    for part in parts:
        if not isinstance(part, str) or not _PREFIX.fullmatch(part):
            raise SettingsError(
                f"key_prefix {prefix!r} has a part {part!r}: use letters, digits, _, - and ., such "
                "as 'fund' or ['fund', 'eu']"
            )
    return parts


def _usable(name: object) -> str:
    return re.sub(r"\W+", "_", str(name), flags=re.ASCII).strip("_") or "momentum"
