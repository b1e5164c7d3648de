"""The collector of a strategy as an asset downstream of all its rolls."""

from typing import Any

import dagster as dg

from wf_dagster.orchestration.assets.downstream import downstream_asset
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec


def build_collected_asset(
    spec: StrategySpec, strategy: RollingStrategySpec, asset: dg.AssetSpec
) -> dg.AssetsDefinition:
    """``NAME/collected``: one out-of-sample frame of predictions over all finished rolls."""

    def collected(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from wf_dagster.collect import collect_strategy  # slow to import, as the next
        from wf_dagster.orchestration.steps.owners import claim_for_strategy
        from wf_dagster.tracking import run_url

        with wf_errors_as_failures():
            claim_for_strategy(context, spec)
            state = spec.online_tool().state()
            collection = collect_strategy(
                spec.experiment,
                spec.partitions.rolls,
                spec.calendar,
                serving=state.online,
                served={recorder_id for change in state.changes for recorder_id in change.online},
                market=spec.market,
            )
        gaps, recorder = collection.gaps, collection.recorder
        if gaps:
            first = ", ".join(gaps[:3]) + (" ..." if gaps[3:] else "")
            context.log.warning(
                f"{spec.name}: {len(gaps)} rolls have no finished recorder: {first}"
            )
        figures = number_metadata(collection.figures())
        context.log.info(f"{spec.name}: {collection}")
        return dg.MaterializeResult(
            metadata={
                **figures,
                "gaps": dg.MetadataValue.json(gaps),
                "mlflow_run": dg.MetadataValue.url(run_url(recorder.experiment_id, recorder.id)),
            }
        )

    return downstream_asset(strategy, asset, collected)
