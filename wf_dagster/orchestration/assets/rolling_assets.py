"""The assets of one strategy: recorders, predictions and labels a roll; their collection."""

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from typing_extensions import Unpack

from wf_dagster.market import Market
from wf_dagster.orchestration.assets.analyses import build_analyses_asset
from wf_dagster.orchestration.assets.asset_options import AssetOptions
from wf_dagster.orchestration.assets.asset_specs import specs_by_part
from wf_dagster.orchestration.assets.collected import build_collected_asset
from wf_dagster.orchestration.assets.online_models import build_online_models_asset
from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.dagster_home import check_dagster_home
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.frames.frames_io_manager import multi_asset_with_frames
from wf_dagster.orchestration.host_prices.run_prices import run_prices
from wf_dagster.orchestration.partitions.rolling_partitions import (
    rolling_partitions,
    strategy_market,
)
from wf_dagster.orchestration.resources.tracking_resource import tracking_of
from wf_dagster.orchestration.steps.roll_config import LAST, RollConfig
from wf_dagster.orchestration.strategy.conditions import launched_by_automation
from wf_dagster.orchestration.strategy.definition_checks import check_definition
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.strategy_keys import ANALYSES, ROLL_PARTS
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec
from wf_dagster.orchestration.strategy.translator import RollingTranslator
from wf_dagster.rolling import RollingGen

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar


def build_rolling_assets(
    name: str,
    template: Mapping[str, Any],
    generator: RollingGen,
    *,
    market: Market | None = None,
    calendar: "TradingCalendar | None" = None,
    translator: RollingTranslator | None = None,
    prices_key: str | None = None,
    **options: Unpack[AssetOptions],
) -> RollingAssets:
    """The assets of one strategy.

    ``NAME/recorders``, ``NAME/predictions`` and ``NAME/labels`` are partitioned by roll;
    ``NAME/collected`` gathers all rolls, ``NAME/online_models`` says which of them serve, and
    ``NAME/analyses``, where the strategy has any, are of what was collected. They need the
    resource ``tracking`` (:class:`TrackingResource`). No asset returns a value: frames live in the
    recorders.

    Args:
        name: Name of the strategy: asset key prefix and MLflow experiment.
        template: The task of the first roll (``model``, ``dataset``, ``record``).
        generator: How its segments move on; ``step`` sets the kind of partitions.
        market: Where prices come from and on which sessions the strategy rolls, is checked and
            scheduled; default that of the settings, on the generator's calendar if it has one.
        calendar: Sessions of your own; short for ``market=Market(calendar=calendar)``.
        translator: Changes how the assets look in Dagster, keys included.
        prices_key: A former spelling of ``prices_asset``.
        **options: Those of :class:`RollingStrategySpec`, where they are described.

    Returns:
        The assets, a list to be put into ``Definitions`` with the resource.

    Raises:
        SettingsError: The name cannot be that of assets.
        TaskError: The template is malformed.
        OnlineError: ``automation`` is unknown.
        CalendarError: There is no roll, whatever the prices, or both a calendar and a market are
            given.
    """
    if prices_key is not None:
        warnings.warn(
            f"prices_key is now called prices_asset: write prices_asset={prices_key!r}",
            DeprecationWarning,
            stacklevel=2,
        )
        options.setdefault("prices_asset", prices_key)
    strategy = RollingStrategySpec(
        name=name, template=template, generator=generator, market=market, **options
    )
    return rolling_assets(strategy, translator, calendar)


def rolling_assets(
    strategy: RollingStrategySpec,
    translator: RollingTranslator | None = None,
    calendar: "TradingCalendar | None" = None,
) -> RollingAssets:
    """The assets of a strategy that is a value (see :func:`build_rolling_assets`)."""
    check_dagster_home()
    template, market = strategy_market(
        strategy.template, strategy.generator, calendar, strategy.market
    )
    generator = check_definition(
        strategy.name,
        template,
        strategy.generator,
        market,
        strategy.allow_look_ahead,
        strategy.analyses,
    )
    partitions = rolling_partitions(template, generator, market=market, name=strategy.name)
    assets = specs_by_part(strategy, partitions.definition, translator)
    spec = StrategySpec(
        name=strategy.name,
        experiment=strategy.experiment,
        template=dict(template),
        generator=generator,
        partitions=partitions,
        max_workers=strategy.max_workers,
        task_pool=strategy.task_pool,
        asset_keys={part: asset.key for part, asset in assets.items()},
        analyses=tuple(strategy.analyses),
    )
    definitions = [
        _build_roll_assets(spec, strategy, [assets[part] for part in ROLL_PARTS]),
        build_collected_asset(spec, strategy, assets["collected"]),
        build_online_models_asset(spec, strategy, assets["online_models"]),
    ]
    if strategy.analyses:
        definitions.append(build_analyses_asset(spec, strategy, assets[ANALYSES]))
    return RollingAssets(definitions, spec)


def _build_roll_assets(
    spec: StrategySpec, strategy: RollingStrategySpec, assets: list[dg.AssetSpec]
) -> dg.AssetsDefinition:
    @multi_asset_with_frames(
        assets,
        name=spec.keys.rolls_op,
        partitions_def=spec.partitions.definition,
        can_subset=True,
        backfill_policy=strategy.backfill_policy or dg.BackfillPolicy.single_run(),
        retry_policy=strategy.retry_policy,
        op_tags=dict(strategy.op_tags),
        pool=strategy.pool,
        required_resource_keys={strategy.tracking_key, *_resources_of_prices(spec)},
    )
    def rolls(
        context: dg.AssetExecutionContext, config: RollConfig
    ) -> Iterator[dg.MaterializeResult[Any]]:
        # steps are slow to import: pandas, MLflow and the models of the task
        from wf_dagster.orchestration.steps.run_rolls import run_rolls

        with wf_errors_as_failures():
            tracking = tracking_of(context, strategy.tracking_key)
        session = config.online_session
        if not session and strategy.is_declarative and launched_by_automation(context.run.tags):
            session = LAST
        yield from run_rolls(spec, context, tracking, config, session)

    rolls.op.compute_fn.decorated_fn.strategy = spec  # type: ignore[union-attr]  # for find_strategy
    return rolls


def _resources_of_prices(spec: StrategySpec) -> frozenset[str]:
    prices = run_prices(spec.market)
    return frozenset() if prices is None else prices.required_resource_keys
