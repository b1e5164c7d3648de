"""Strategies in a ``defs.yaml``."""

from wf_dagster.orchestration.component.rolling_component import RollingStrategyComponent

__all__ = ["RollingStrategyComponent"]
