"""Definitions of strategies as a host would write them, and what is asked of them."""

from __future__ import annotations

import types
from typing import Any

import dagster as dg
import pandas as pd

from tests.online.market import REACH, STEP, template
from tests.orchestration.online.life import ZONE, Ticked
from wf_dagster import RollingStrategySpec
from wf_dagster.rolling import RollingGen


def spec_of(name: str = "ridge", **options: Any) -> RollingStrategySpec:
    """A strategy whose rolls can be trained on the eve of their test window."""
    return RollingStrategySpec(
        name=name,
        template=options.pop("template", None) or template(),
        generator=RollingGen(STEP, rtype=RollingGen.ROLL_SD, trunc_days=REACH + 1),
        execution_timezone=ZONE,
        **options,
    )


def keys_of(definitions: dg.Definitions) -> set[str]:
    """Its assets."""
    graph = definitions.resolve_asset_graph()
    return {key.to_user_string() for key in graph.get_all_asset_keys()}


def module_of(**values: Any) -> types.ModuleType:
    """A module that holds some definitions, as ``load_assets_from_modules`` wants it."""
    module = types.ModuleType("host_strategies")
    vars(module).update(values)
    return module


class Host:
    """A code location on an instance of its own."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.definitions = definitions
        self.instance = instance
        self.repository = definitions.get_repository_def()

    def tick(self, schedule: str, moment: str) -> Any:
        """What a schedule answers at a moment of New York."""
        ticked = Ticked(self.instance, pd.Timestamp(moment, tz=ZONE).tz_convert("UTC"))
        return self.repository.get_schedule_def(schedule)(ticked)

    def look(self, sensor: str) -> Any:
        """What a sensor answers."""
        with dg.build_sensor_context(
            instance=self.instance, repository_def=self.repository
        ) as context:
            return self.repository.get_sensor_def(sensor)(context)

    def run(self, request: dg.RunRequest, job: str) -> dg.ExecuteInProcessResult:
        """Execute what was requested."""
        return self.repository.get_job(job).execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            run_config=request.run_config,
            tags=dict(request.tags),
            raise_on_error=False,
        )

    def backfill(self, assets: list[str], first: str, last: str) -> dg.ExecuteInProcessResult:
        """Materialize a range of rolls, and what is selected beside them."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey.from_user_string(asset) for asset in assets],
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            },
            instance=self.instance,
            raise_on_error=False,
        )

    def partitions(self, asset: str) -> list[str]:
        """The partitions of an asset that are marked."""
        key = dg.AssetKey.from_user_string(asset)
        return sorted(self.instance.get_materialized_partitions(key))

    def materialized(self) -> set[str]:
        """The assets of which there is an event, wherever they are."""
        return {
            key.to_user_string()
            for key in self.instance.all_asset_keys()
            if self.instance.get_latest_materialization_event(key)
        }


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """The checks of a run, and whether they passed."""
    return {
        f"{check.asset_key.to_user_string()}: {check.check_name}": check.passed
        for check in result.get_asset_check_evaluations()
    }
