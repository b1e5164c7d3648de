"""The analyses of a strategy as an asset downstream of what was collected."""

from typing import Any

import dagster as dg

from wf_dagster.orchestration.assets.downstream import downstream_asset
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec


def build_analyses_asset(
    spec: StrategySpec, strategy: RollingStrategySpec, asset: dg.AssetSpec
) -> dg.AssetsDefinition:
    """``NAME/analyses``: records on the collected predictions, computed once over all rolls."""

    def analyses(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        from wf_dagster.collect.strategy_analyses import analyse_strategy  # slow to import
        from wf_dagster.orchestration.steps.owners import claim_for_strategy
        from wf_dagster.tracking import run_url

        with wf_errors_as_failures():
            claim_for_strategy(context, spec)
            analysed = analyse_strategy(spec.experiment, spec.template, spec.analyses, spec.market)
        recorder = analysed.recorder
        first, last = f"{analysed.first:%Y-%m-%d}", f"{analysed.last:%Y-%m-%d}"
        context.log.info(f"{spec.name}: {', '.join(analysed.records)} of {first} to {last}")
        return dg.MaterializeResult(
            metadata={
                **number_metadata(analysed.metrics),
                **{name: dg.MetadataValue.md(plot) for name, plot in analysed.plots.items()},
                "records": dg.MetadataValue.json(analysed.records),
                "first_session": dg.MetadataValue.text(first),
                "last_session": dg.MetadataValue.text(last),
                "mlflow_run": dg.MetadataValue.url(run_url(recorder.experiment_id, recorder.id)),
            }
        )

    return downstream_asset(strategy, asset, analyses)
