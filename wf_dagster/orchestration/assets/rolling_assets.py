"""The assets of one strategy: recorders, predictions and labels a roll; their collection."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from typing_extensions import Unpack

from wf_dagster.calendars import TradingCalendar
from wf_dagster.market import Market
from wf_dagster.online.sessions import daily_calendar
from wf_dagster.orchestration.assets.asset_options import AssetOptions, ChosenOptions
from wf_dagster.orchestration.assets.collected import build_collected_asset
from wf_dagster.orchestration.assets.online_models import build_online_models_asset
from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.automation.conditions import launched_by_automation, on_new_prices
from wf_dagster.orchestration.dagster_home import check_dagster_home
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.partitions.rolling_partitions import (
    rolling_partitions,
    strategy_market,
)
from wf_dagster.orchestration.resources.tracking_resource import TrackingResource
from wf_dagster.orchestration.steps.backfill_step import BackfillStep
from wf_dagster.orchestration.steps.online_step import OnlineStep
from wf_dagster.orchestration.steps.roll_config import LAST, RollConfig
from wf_dagster.orchestration.strategy_spec import StrategySpec
from wf_dagster.rolling import RollingGen
from wf_dagster.tasks import validate_task

_DESCRIPTIONS = {
    "recorders": "Trains the roll's task; one MLflow run (recorder) a roll.",
    "predictions": (
        "The roll's out-of-sample predictions (`pred.pkl` of its recorder). Materialized "
        "without `recorders`, they are predicted again with the model trained before; a roll "
        "that was never trained is trained first."
    ),
    "labels": "What the predictions are held against (`label.pkl` of the recorder).",
}
_KINDS = {
    "recorders": {"mlflow"},
    "predictions": {"parquet"},
    "labels": {"parquet"},
}


def build_rolling_assets(
    name: str,
    template: Mapping[str, Any],
    generator: RollingGen,
    *,
    market: Market | None = None,
    calendar: TradingCalendar | None = None,
    **options: Unpack[AssetOptions],
) -> RollingAssets:
    """The assets of one strategy.

    ``NAME/recorders``, ``NAME/predictions`` and ``NAME/labels`` are partitioned by roll;
    ``NAME/collected`` gathers all rolls, ``NAME/online_models`` says which of them serve. They need
    the resource ``tracking``
    (:class:`TrackingResource`). No asset returns a value: frames live in the recorders.

    Args:
        name: Name of the strategy: asset key prefix and MLflow experiment.
        template: The task of the first roll (``model``, ``dataset``, ``record``).
        generator: How its segments move on; ``step`` sets the kind of partitions.
        market: Where prices come from and on which sessions the strategy rolls, is checked and
            scheduled; default that of the settings, on the generator's calendar if it has one.
        calendar: Sessions of your own; short for ``market=Market(calendar=calendar)``.
        **options: As follows.
        experiment_name: MLflow experiment, if it is not to be called ``name``.
        description: One line on the strategy, shown on each of its assets.
        owners: Owners as Dagster takes them (an e-mail address, or ``"team:quant"``).
        group_name: Dagster group; default ``name``.
        kinds: Further kinds of ``recorders``, for example ``["scikitlearn"]``.
        max_workers: Worker processes of a backfill; default the setting ``max_workers``.
        backfill_policy: Default one run for the whole backfill.
        retry_policy: Retries of a failed step; a retry trains only what is missing.
        task_pool: Offers the rolls to workers outside Dagster too.
        automation: ``"declarative"`` lets the assets follow the asset of the prices
            (:func:`build_prices_asset`) by automation conditions, in place of a schedule or
            sensors: each new version of the prices brings the online models up to the last
            session, and ``collected`` and ``online_models`` follow.
        prices_key: Key of the asset of the prices; only of use with ``"declarative"``.

    Returns:
        The assets, a list to be put into ``Definitions`` with the resource.

    Raises:
        TaskError: The template is malformed.
        OnlineError: ``automation`` is unknown, or declarative and sessions are bars within days.
        CalendarError: No roll fits the calendar, or both a calendar and a market are given.
    """
    chosen = ChosenOptions(**options)
    check_dagster_home()
    template, market = strategy_market(template, generator, calendar, market)
    validate_task(template, calendar=market.calendar)
    if chosen.is_declarative:  # automation conditions launch online runs
        daily_calendar(market)
    spec = StrategySpec(
        name=name,
        experiment=chosen.experiment_name or name,
        template=dict(template),
        generator=generator,
        partitions=rolling_partitions(template, generator, market=market, name=name),
        max_workers=chosen.max_workers,
        task_pool=chosen.task_pool,
    )
    return RollingAssets(
        [
            _build_roll_assets(spec, chosen),
            build_collected_asset(spec, chosen),
            build_online_models_asset(spec, chosen),
        ],
        spec,
    )


def _build_roll_assets(spec: StrategySpec, options: ChosenOptions) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=spec.keys.rolls_op,
        specs=[
            _asset_spec(spec, options, "recorders"),
            _asset_spec(spec, options, "predictions", ["recorders"]),
            _asset_spec(spec, options, "labels", ["recorders"]),
        ],
        partitions_def=spec.partitions.definition,
        can_subset=True,
        backfill_policy=options.backfill_policy or dg.BackfillPolicy.single_run(),
        retry_policy=options.retry_policy,
    )
    def rolls(
        context: dg.AssetExecutionContext, config: RollConfig, tracking: TrackingResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        with wf_errors_as_failures():
            rolls_of_run = [spec.partitions.roll(key) for key in context.partition_keys]
            validate_task(rolls_of_run[0].task, resolve=True)
            config.check()
        session = config.online_session
        if not session and options.is_declarative and launched_by_automation(context.run.tags):
            session = LAST
        step: BackfillStep | OnlineStep = (
            OnlineStep(spec, context, session, config.predict_again)
            if session
            else BackfillStep(spec, context, config.reuse_finished)
        )
        yield from step.run(rolls_of_run, tracking)

    rolls.op.compute_fn.decorated_fn.strategy = spec  # type: ignore[union-attr]  # for find_strategy
    return rolls


def _asset_spec(
    spec: StrategySpec, options: ChosenOptions, part: str, deps: Sequence[str] = ()
) -> dg.AssetSpec:
    follows_prices = options.is_declarative and part != "recorders"
    return dg.AssetSpec(
        spec.keys.asset(part),
        deps=[
            *spec.keys.assets(deps),
            *([dg.AssetKey(options.prices_key)] if follows_prices else []),
        ],
        description=options.describe(_DESCRIPTIONS[part]),
        kinds=_KINDS[part] | (set(options.kinds) if part == "recorders" else set()),
        metadata={"mlflow_experiment": spec.experiment},
        automation_condition=on_new_prices(options.prices_key) if follows_prices else None,
        skippable=True,  # an online run leaves a roll alone that cannot be trained yet
        group_name=options.group_name or spec.name,
        owners=list(options.owners),
    )
