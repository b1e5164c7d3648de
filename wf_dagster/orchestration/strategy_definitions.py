"""Everything that Dagster needs of a strategy, in one call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import dagster as dg

from wf_dagster.errors import SettingsError
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
from wf_dagster.orchestration.checks.online_limits import OnlineLimits
from wf_dagster.orchestration.host_prices.price_keys import asset_key_of
from wf_dagster.orchestration.resources.tracking_resource import TrackingResource
from wf_dagster.orchestration.strategy.experiments import check_experiments
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.signals_reference import Signals
from wf_dagster.orchestration.strategy.strategy_keys import SIGNALS, StrategyKeys
from wf_dagster.orchestration.strategy.translator import RollingTranslator


def build_strategy_definitions(
    spec_or_specs: RollingStrategySpec | Sequence[RollingStrategySpec],
    *,
    translator: RollingTranslator | None = None,
    with_checks: bool | Mapping[str, Any] = True,
    with_schedule: bool = True,
    with_sensors: bool = True,
    with_signals: bool = True,
    with_resource: bool = True,
    executor: dg.ExecutorDefinition | None = None,
    tracking: TrackingResource | None = None,
) -> dg.Definitions:
    """The definitions of a strategy, or of several that may share their signals.

    Assets, their checks, the job ``NAME_online`` with its schedule and sensors, signals, and the
    resource. They are ``Definitions`` like any others: ``dg.Definitions.merge`` puts those of
    several calls, and your own, together.

    What is left out can be replaced: the schedule by one of yours for the job, the resource by one
    of yours with its key, signals by :func:`build_signals_asset` with the key that the strategies
    name (``signals=``), which their jobs refresh then. The job is there with the schedule or the
    sensors; leave out both where sessions are bars within days.

    Args:
        spec_or_specs: The strategy, or several.
        translator: Changes how the assets look in Dagster, keys included.
        with_checks: Whether there are the checks of :func:`build_online_checks`; its arguments,
            such as ``{"ic_floor": -0.1}``, for other limits.
        with_schedule: Whether there is the schedule of :func:`build_online_schedule`; a strategy
            that is declarative needs none, and has none.
        with_sensors: Whether there are the sensors of new prices and of rolls that are due (none
            where it is declarative), of freshness, and of recorders of failed runs.
        with_signals: Whether there are signals.
        with_resource: Whether there is the resource; else yours has its key.
        executor: Runs the steps of the code location; default that of your other definitions.
        tracking: The resource; default ``TrackingResource()``.

    Raises:
        SettingsError: There is no strategy, two have one name, or an argument of the checks is
            unknown.
        OwnerError: Two have one experiment.
        WfError: As :func:`build_rolling_assets`.
    """
    specs = [spec_or_specs] if isinstance(spec_or_specs, RollingStrategySpec) else spec_or_specs
    _check_names([spec.name for spec in specs])
    check_experiments((spec.name, spec.experiment) for spec in specs)
    limits = _check_arguments({} if isinstance(with_checks, bool) else with_checks)
    parts = [dg.Definitions(executor=executor)]
    if with_resource:
        resource = tracking or TrackingResource()
        parts.append(dg.Definitions(resources={spec.tracking_key: resource for spec in specs}))
    for group in _group_by_signals(specs):
        strategies = {spec.name: rolling_assets(spec, translator) for spec in group.specs}
        rolling = list(strategies.values())
        signals = [group.build_signals(rolling, translator)] if with_signals else []
        refreshed: Sequence[Signals] = signals or group.named_signals
        parts.append(dg.Definitions(assets=[*chain.from_iterable(rolling), *signals]))
        if with_checks is not False:
            checks = build_online_checks(rolling, **{"signals": signals, **limits})
            parts.append(dg.Definitions(asset_checks=checks))
        for spec in group.specs:
            if spec.is_declarative:
                continue
            strategy = strategies[spec.name]
            if with_schedule or with_sensors:
                # Dagster renews definitions when it adds metadata: that the schedule and the
                # sensors still have one job, it sees only where the job is in the list
                parts.append(dg.Definitions(jobs=[online_job(strategy, refreshed)]))
            if with_schedule:
                cron, timezone = spec.cron, spec.execution_timezone
                schedule = build_online_schedule(strategy, cron, timezone, signals=refreshed)
                parts.append(dg.Definitions(schedules=[schedule]))
            if with_sensors:
                online = [new_data_sensor(strategy, signals=refreshed)]
                online += [roll_due_sensor(strategy, signals=refreshed)]
                parts.append(dg.Definitions(sensors=online))
        if with_sensors:
            freshness = build_freshness_sensor(
                rolling, signals=signals, name=group.freshness_sensor
            )
            parts.append(dg.Definitions(sensors=[failed_recorder_sensor(), freshness]))
    return dg.Definitions.merge(*parts)


@dataclass(frozen=True)
class _SignalsGroup:
    """Strategies that share their signals."""

    key: dg.AssetKey
    experiment: str
    specs: Sequence[RollingStrategySpec]

    @property
    def named_signals(self) -> list[dg.AssetKey]:
        """The signals that the strategies ask for by name."""
        return [self.key] if self.specs[0].signals is not None else []

    @property
    def freshness_sensor(self) -> str:
        """The name of their sensor: definitions of several calls have each its own."""
        if len(self.specs) == 1:
            return StrategyKeys(self.specs[0].name).freshness_sensor
        return (
            "freshness"
            if self.experiment == SIGNALS
            else f"{self.key.to_python_identifier()}_freshness"
        )

    def build_signals(
        self, rolling: Sequence[RollingAssets], translator: RollingTranslator | None
    ) -> dg.AssetsDefinition:
        """Their signals; how these are run is as with the first strategy."""
        first = self.specs[0]
        is_declarative = any(spec.is_declarative for spec in self.specs)
        return build_signals_asset(
            rolling,
            key=self.key,
            experiment=self.experiment,
            owners=list(dict.fromkeys(owner for spec in self.specs for owner in spec.owners)),
            group_name=first.group if len(self.specs) == 1 else SIGNALS,
            tags=first.tags,
            automation="declarative" if is_declarative else "manual",
            retry_policy=first.retry_policy,
            op_tags=first.op_tags,
            pool=first.pool,
            translator=translator,
        )


def _group_by_signals(specs: Sequence[RollingStrategySpec]) -> list[_SignalsGroup]:
    groups: dict[dg.AssetKey, _SignalsGroup] = {}
    for spec in specs:
        if spec.signals is not None:
            key = asset_key_of(spec.signals)
            experiment = key.to_user_string()
        elif len(specs) == 1:  # of its own, so that definitions of several calls can be merged
            key, experiment = spec.default_key(SIGNALS), f"{spec.name}_{SIGNALS}"
        else:
            key, experiment = dg.AssetKey(SIGNALS), SIGNALS
        members = groups[key].specs if key in groups else ()
        groups[key] = _SignalsGroup(key, experiment, [*members, spec])
    return list(groups.values())


def _check_arguments(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    known = {"signals", "blocking", *OnlineLimits.__annotations__}
    if unknown := sorted(set(arguments) - known):
        raise SettingsError(
            f"with_checks has no {unknown[0]!r}: it takes {', '.join(sorted(known))}, as "
            "build_online_checks does"
        )
    return arguments


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise SettingsError("no strategy: give a RollingStrategySpec, or several")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise SettingsError(
            f"{twice[0]!r} is the name of {names.count(twice[0])} strategies: give each its own, "
            "which its job, schedule and sensors begin with"
        )
