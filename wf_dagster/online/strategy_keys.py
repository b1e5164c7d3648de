"""The keys of recorders in what a strategy collects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wf_dagster.online.rolling_strategy import RollingStrategy
    from wf_dagster.tracking import Recorder


@dataclass(frozen=True)
class StrategyKeys:
    """A strategy's method as an object, which a collector's file may hold: methods are code."""

    strategy: RollingStrategy

    def __call__(self, recorder: Recorder) -> tuple[str, tuple[Any, ...]]:
        """The model, and the test segment."""
        return self.strategy.collected_key(recorder)
