"""Rolls, collectors and signals as Dagster assets: the only room that knows Dagster."""

from wf_dagster.orchestration.automation import build_prices_asset
from wf_dagster.orchestration.checks import build_online_checks
from wf_dagster.orchestration.freshness import build_freshness_sensor
from wf_dagster.orchestration.online_runs import online_job
from wf_dagster.orchestration.partitions import RollingPartitions, rolling_partitions
from wf_dagster.orchestration.rolling import RollingAssets
from wf_dagster.orchestration.rolling_assets import build_rolling_assets
from wf_dagster.orchestration.schedules import build_online_schedule
from wf_dagster.orchestration.sensors import (
    failed_recorder_sensor,
    new_data_sensor,
    roll_due_sensor,
)
from wf_dagster.orchestration.signals import build_signals_asset
from wf_dagster.orchestration.task_pool import TaskPoolResource
from wf_dagster.orchestration.tracking import TrackingResource

__all__ = [
    "RollingAssets",
    "RollingPartitions",
    "TaskPoolResource",
    "TrackingResource",
    "build_freshness_sensor",
    "build_online_checks",
    "build_online_schedule",
    "build_prices_asset",
    "build_rolling_assets",
    "build_signals_asset",
    "failed_recorder_sensor",
    "new_data_sensor",
    "online_job",
    "roll_due_sensor",
    "rolling_partitions",
]
