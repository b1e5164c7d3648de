"""The assets of one strategy: recorders, predictions and labels a roll; their collection."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from wf_dagster.calendars import TradingCalendar
from wf_dagster.orchestration.assets.collected import build_collected_asset
from wf_dagster.orchestration.assets.online_models import build_online_models_asset
from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.automation.conditions import Automation, is_declarative, on_new_prices
from wf_dagster.orchestration.partitions.rolling_partitions import rolling_partitions
from wf_dagster.orchestration.resources.task_pool_resource import TaskPoolResource
from wf_dagster.orchestration.resources.tracking_resource import TrackingResource
from wf_dagster.orchestration.steps.backfill_step import RollConfig, RollStep
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
    calendar: TradingCalendar | None = None,
    experiment_name: str | None = None,
    description: str = "",
    owners: Sequence[str] = (),
    group_name: str | None = None,
    kinds: Sequence[str] = (),
    max_workers: int | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    task_pool: TaskPoolResource | None = None,
    automation: Automation = "manual",
    prices_key: str = "prices",
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
        calendar: Trading calendar; default that of the generator, else of the settings.
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
        OnlineError: ``automation`` is unknown.
        CalendarError: No roll fits the calendar.
    """
    validate_task(template, calendar=calendar or generator.calendar)
    partitions = rolling_partitions(template, generator, calendar, name=name)
    step = RollStep(
        name=name,
        experiment=experiment_name or name,
        template=dict(template),
        generator=_on(generator, calendar),
        partitions=partitions,
        max_workers=max_workers,
        task_pool=task_pool,
        declarative=is_declarative(automation),
    )
    condition = on_new_prices(prices_key) if step.declarative else None
    shared: dict[str, Any] = {"group_name": group_name or name, "owners": list(owners)}

    def spec(part: str, deps: Sequence[str] = ()) -> dg.AssetSpec:
        extra = set(kinds) if part == "recorders" else set()
        follows = condition is not None and part != "recorders"
        return dg.AssetSpec(
            [name, part],
            deps=[
                *(dg.AssetKey([name, dep]) for dep in deps),
                *([dg.AssetKey(prices_key)] if follows else []),
            ],
            description="\n\n".join(filter(None, [_DESCRIPTIONS[part], description])),
            kinds=_KINDS[part] | extra,
            metadata={"mlflow_experiment": step.experiment},
            automation_condition=condition if follows else None,
            skippable=True,  # an online run leaves a roll alone that cannot be trained yet
            **shared,
        )

    @dg.multi_asset(
        name=f"{name}_rolls",
        specs=[
            spec("recorders"),
            spec("predictions", ["recorders"]),
            spec("labels", ["recorders"]),
        ],
        partitions_def=partitions.definition,
        can_subset=True,
        backfill_policy=backfill_policy or dg.BackfillPolicy.single_run(),
        retry_policy=retry_policy,
    )
    def rolls(
        context: dg.AssetExecutionContext, config: RollConfig, tracking: TrackingResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        yield from step.run(context, config, tracking)

    return RollingAssets(
        [
            rolls,
            build_collected_asset(step, description=description, **shared),
            build_online_models_asset(step, description=description, **shared),
        ],
        step,
    )


def _on(generator: RollingGen, calendar: TradingCalendar | None) -> RollingGen:
    if calendar is None:
        return generator
    return generator.on(calendar)
