"""Rolls, collectors and signals as Dagster assets: the only room that knows Dagster."""

from wf_dagster.orchestration.assets.asset_specs import rolling_asset_specs
from wf_dagster.orchestration.assets.rolling_assets import build_rolling_assets
from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.assets.signals_asset import build_signals_asset
from wf_dagster.orchestration.automation.online_requests import online_job
from wf_dagster.orchestration.automation.prices_asset import build_prices_asset
from wf_dagster.orchestration.automation.schedules import build_online_schedule
from wf_dagster.orchestration.automation.sensors import (
    failed_recorder_sensor,
    new_data_sensor,
    roll_due_sensor,
)
from wf_dagster.orchestration.checks.freshness import build_freshness_sensor
from wf_dagster.orchestration.checks.online_checks import build_online_checks
from wf_dagster.orchestration.component import RollingStrategyComponent
from wf_dagster.orchestration.frames.frames_io_manager import FramesIOManager
from wf_dagster.orchestration.frames.roll_input import roll_input
from wf_dagster.orchestration.host_prices.run_prices import AssetPrices, ResourcePrices
from wf_dagster.orchestration.partitions.rolling_partitions import (
    RollingPartitions,
    rolling_partitions,
)
from wf_dagster.orchestration.resources.task_pool_resource import TaskPoolResource
from wf_dagster.orchestration.resources.tracking_resource import TrackingResource
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.translator import RollingTranslator, RollProps
from wf_dagster.orchestration.strategy_definitions import build_strategy_definitions

__all__ = [
    "AssetPrices",
    "FramesIOManager",
    "ResourcePrices",
    "RollProps",
    "RollingAssets",
    "RollingPartitions",
    "RollingStrategyComponent",
    "RollingStrategySpec",
    "RollingTranslator",
    "TaskPoolResource",
    "TrackingResource",
    "build_freshness_sensor",
    "build_online_checks",
    "build_online_schedule",
    "build_prices_asset",
    "build_rolling_assets",
    "build_signals_asset",
    "build_strategy_definitions",
    "failed_recorder_sensor",
    "new_data_sensor",
    "online_job",
    "roll_due_sensor",
    "roll_input",
    "rolling_asset_specs",
    "rolling_partitions",
]
