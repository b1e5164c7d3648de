"""Rolls, collectors and signals as Dagster assets: the only room that knows Dagster."""

from wf_dagster.orchestration.partitions import RollingPartitions, rolling_partitions
from wf_dagster.orchestration.rolling_assets import build_rolling_assets
from wf_dagster.orchestration.signals import build_signals_asset
from wf_dagster.orchestration.task_pool import TaskPoolResource
from wf_dagster.orchestration.tracking import TrackingResource

__all__ = [
    "RollingPartitions",
    "TaskPoolResource",
    "TrackingResource",
    "build_rolling_assets",
    "build_signals_asset",
    "rolling_partitions",
]
