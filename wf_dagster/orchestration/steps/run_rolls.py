"""What a run does with the partitions it is given: the step that works on their rolls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.host_prices.price_refresh import refresh_prices
from wf_dagster.orchestration.resources.tracking_resource import TrackingResource
from wf_dagster.orchestration.steps.backfill_step import BackfillStep
from wf_dagster.orchestration.steps.online_step import OnlineStep
from wf_dagster.orchestration.steps.roll_config import RollConfig
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec
from wf_dagster.tasks import validate_task
from wf_dagster.tasks.named_parts import check_parts
from wf_dagster.tasks.signature_book import home_book


def run_rolls(
    spec: StrategySpec,
    context: dg.AssetExecutionContext,
    tracking: TrackingResource,
    config: RollConfig,
    session: str,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Work on the rolls of a run's partitions.

    Args:
        spec: The strategy.
        context: The context of the running assets.
        tracking: Where the run has its parent in MLflow.
        config: What the launch has chosen.
        session: The session of an online run; empty for a backfill.

    Raises:
        Failure: The template does not fit the prices, a partition is no roll of theirs, or as the
            steps say.
    """
    with wf_errors_as_failures():
        config.check()
        refresh_prices(spec.market, context)
        check_parts(spec.template, home_book().look_up)
        validate_task(spec.template, calendar=spec.market.calendar, resolve=True)
        rolls, early, misplaced = spec.partitions.split_due(context.partition_keys)
    if misplaced and not rolls:
        raise dg.Failure("\n".join(misplaced.values()))
    left_out = {**early, **misplaced}
    if session:
        step = OnlineStep(spec, context, session, config.predict_again)
        yield from step.run(rolls, tracking, left_out)
    else:
        yield from BackfillStep(spec, context, config.reuse_finished).run(rolls, tracking, left_out)
    if misplaced:  # the others are done
        raise dg.Failure("\n".join(misplaced.values()))
