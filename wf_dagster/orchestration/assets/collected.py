"""The collector of a strategy as an asset downstream of all its rolls."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from wf_dagster.collect import collect_strategy
from wf_dagster.online import OnlineToolR
from wf_dagster.orchestration.assets.downstream import downstream_asset
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.orchestration.steps.backfill_step import RollStep
from wf_dagster.tracking import run_url


def build_collected_asset(
    step: RollStep,
    *,
    description: str,
    group_name: str,
    owners: Sequence[str],
) -> dg.AssetsDefinition:
    """``NAME/collected``: one out-of-sample frame of predictions over all finished rolls."""

    def collected(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with wf_errors_as_failures():
            made = collect_strategy(
                step.experiment,
                step.partitions.rolls,
                step.partitions.calendar(),
                serving=OnlineToolR(step.experiment).state().online,
            )
        if made.gaps:
            shown = ", ".join(made.gaps[:3]) + (" ..." if made.gaps[3:] else "")
            context.log.warning(
                f"{step.name}: {len(made.gaps)} rolls have no finished recorder: {shown}"
            )
        figures = number_metadata(made.figures())
        context.log.info(f"{step.name}: {made}")
        return dg.MaterializeResult(
            metadata={
                **figures,
                "gaps": dg.MetadataValue.json(made.gaps),
                "mlflow_run": dg.MetadataValue.url(
                    run_url(made.recorder.experiment_id, made.recorder.id)
                ),
            }
        )

    return downstream_asset(
        step,
        collected,
        what="The finished rolls' predictions as one out-of-sample frame; where two rolls overlap "
        "the later one counts. Rolls without a recorder are reported as gaps.",
        description=description,
        kinds={"pandas", "parquet"},
        group_name=group_name,
        owners=owners,
    )
