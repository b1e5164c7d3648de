"""The merge of all strategies as one asset."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from wf_dagster.collect import average_signals, keep
from wf_dagster.orchestration.failures import shown_plainly
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.tracking import run_url


def build_signals_asset(
    strategies: Sequence[str],
    *,
    key: str = "signals",
    experiments: Sequence[str] | None = None,
    description: str = "",
    owners: Sequence[str] = (),
    group_name: str = "signals",
) -> dg.AssetsDefinition:
    """The average over strategies: the final score per (datetime, instrument).

    Args:
        strategies: Names given to :func:`build_rolling_assets`.
        key: Asset key, and name of the MLflow experiment that keeps the frame
            (``signals.pkl``: rows ``(datetime, instrument)``, column ``score``).
        experiments: Their MLflow experiments, if they are not called like the strategies.
        description: Shown on the asset.
        owners: Owners as Dagster takes them.
        group_name: Dagster group.
    """

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([name, "collected"]) for name in strategies],
        description=description
        or "Scores of all strategies, standardised a day and averaged: what a trader uses.",
        owners=list(owners),
        group_name=group_name,
        kinds={"pandas", "parquet"},
    )
    def signals(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with shown_plainly():
            frame = average_signals(experiments or strategies)
        days = frame.index.get_level_values("datetime")
        figures = {"rows": len(frame), "sessions": int(days.nunique())}
        recorder = keep(key, "signals", {"signals.pkl": frame}, figures)
        latest = frame.loc[days.max(), "score"].sort_values(ascending=False)
        context.log.info(f"{key}: {len(frame)} scores up to {days.max():%Y-%m-%d}")
        table = "\n".join(f"| {name} | {score:+.3f} |" for name, score in latest.items())
        return dg.MaterializeResult(
            metadata={
                **number_metadata(figures),
                "first": dg.MetadataValue.text(f"{days.min():%Y-%m-%d}"),
                "last": dg.MetadataValue.text(f"{days.max():%Y-%m-%d}"),
                "latest": dg.MetadataValue.md(f"| instrument | score |\n|---|---|\n{table}"),
                "mlflow_run": dg.MetadataValue.url(run_url(recorder.experiment_id, recorder.id)),
            }
        )

    return signals
