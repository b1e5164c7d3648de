"""Everything that Dagster needs of a strategy, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from wf_dagster.orchestration.assets.rolling_assets import rolling_assets
from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.assets.signals_asset import build_signals_asset
from wf_dagster.orchestration.automation.online_requests import online_job
from wf_dagster.orchestration.automation.schedules import build_online_schedule
from wf_dagster.orchestration.automation.sensors import (
    failed_recorder_sensor,
    new_data_sensor,
    roll_due_sensor,
)
from wf_dagster.orchestration.checks.freshness import build_freshness_sensor
from wf_dagster.orchestration.checks.online_checks import build_online_checks
from wf_dagster.orchestration.resources.tracking_resource import TrackingResource
from wf_dagster.orchestration.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy_keys import SIGNALS
from wf_dagster.orchestration.translator import RollingTranslator


def build_strategy_definitions(
    spec_or_specs: RollingStrategySpec | Sequence[RollingStrategySpec],
    *,
    translator: RollingTranslator | None = None,
    with_checks: bool = True,
    with_schedule: bool = True,
    with_sensors: bool = True,
    with_signals: bool = True,
    with_resource: bool = True,
    executor: dg.ExecutorDefinition | None = None,
    tracking: TrackingResource | None = None,
) -> dg.Definitions:
    """The definitions of a strategy, or of several that share their signals.

    They are a ``Definitions`` like any other: merge them with your own by
    ``dg.Definitions.merge``.

    Args:
        spec_or_specs: The strategy, or several.
        translator: Changes how the assets look in Dagster, keys included.
        with_checks: Whether there are the checks of :func:`build_online_checks`.
        with_schedule: Whether there is the schedule of :func:`build_online_schedule`.
        with_sensors: Whether there are the sensors of new prices, rolls that are due, freshness,
            and of recorders of failed runs.
        with_signals: Whether there are signals.
        with_resource: Whether there is the resource; else yours has its key.
        executor: Runs the steps of all jobs; default that of your other definitions.
        tracking: The resource; default ``TrackingResource()``.
    """
    specs = [spec_or_specs] if isinstance(spec_or_specs, RollingStrategySpec) else spec_or_specs
    strategies = [rolling_assets(spec, translator) for spec in specs]
    signals: dict[str, dg.AssetsDefinition] = {}
    if with_signals:
        name = specs[0].signals or SIGNALS
        signals[name] = build_signals_asset(strategies, key=name, translator=translator)
    keys = list(signals)
    schedules = (
        [
            build_online_schedule(strategy, spec.cron, spec.execution_timezone, signals=keys)
            for strategy, spec in zip(strategies, specs, strict=True)
        ]
        if with_schedule
        else []
    )
    sensors = _sensors(strategies, keys) if with_sensors else []
    resource = tracking or TrackingResource()
    resources = {spec.tracking_key: resource for spec in specs} if with_resource else {}
    return dg.Definitions(
        assets=[*(asset for strategy in strategies for asset in strategy), *signals.values()],
        asset_checks=build_online_checks(strategies, signals=keys) if with_checks else [],
        jobs=[online_job(strategy, keys) for strategy in strategies],
        schedules=schedules,
        sensors=sensors,
        resources=resources,
        executor=executor,
    )


def _sensors(strategies: Sequence[RollingAssets], signals: Sequence[str]) -> list[Any]:
    return [
        *(new_data_sensor(strategy, signals=signals) for strategy in strategies),
        *(roll_due_sensor(strategy, signals=signals) for strategy in strategies),
        failed_recorder_sensor(),
        build_freshness_sensor(strategies, signals=signals),
    ]
