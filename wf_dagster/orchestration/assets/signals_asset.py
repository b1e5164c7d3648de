"""The merge of all strategies as one asset."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import Field

from wf_dagster.collect import average_signals
from wf_dagster.moments import format_moment
from wf_dagster.online import OnlineToolR
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.online.served_prices import late_names
from wf_dagster.online.signal_revisions import FILE as REVISIONS
from wf_dagster.online.signal_revisions import (
    LateNames,
    first_to_make,
    load_revisions,
    no_revisions,
    revise_signals,
)
from wf_dagster.online.signal_store import append_signals, days_of, keep_signals, load_signals
from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.automation.conditions import Automation, is_declarative
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.orchestration.run_tags import SESSION_TAG
from wf_dagster.orchestration.strategy_keys import SIGNALS, StrategyKeys
from wf_dagster.orchestration.translator import RollingTranslator, RollProps
from wf_dagster.tracking import run_url


class SignalsConfig(dg.Config):
    """Launch-time choices of the signals."""

    over_write: bool = Field(
        default=False,
        description="Make all signals anew, also those that were sent at earlier sessions.",
    )


def build_signals_asset(
    strategies: Sequence[str | RollingAssets],
    *,
    key: str | Sequence[str] | dg.AssetKey = SIGNALS,
    experiment: str | None = None,
    experiments: Sequence[str] | None = None,
    description: str = "",
    owners: Sequence[str] = (),
    group_name: str = SIGNALS,
    tags: Mapping[str, str] | None = None,
    automation: Automation = "manual",
    retry_policy: dg.RetryPolicy | None = None,
    op_tags: Mapping[str, Any] | None = None,
    pool: str | None = None,
    translator: RollingTranslator | None = None,
) -> dg.AssetsDefinition:
    """The average over strategies: the final score per (datetime, instrument).

    Once a strategy is online, signals stay as they were sent: only those of new sessions are added,
    and those of the last one made again. Launch it with ``over_write`` to make all of them anew.

    Args:
        strategies: What :func:`build_rolling_assets` gave, or the names given to it.
        key: Asset key.
        experiment: Name of the MLflow experiment that keeps the frame (``signals.pkl``: rows
            ``(datetime, instrument)``, column ``score``); default the key, ``/`` between its parts.
        experiments: MLflow experiments of the strategies that are given by name, if they are not
            called like them.
        description: Shown on the asset.
        owners: Owners as Dagster takes them.
        group_name: Dagster group.
        tags: Tags of the asset.
        automation: ``"declarative"`` makes new signals whenever a strategy was collected again.
        retry_policy: Retries of a failed step.
        op_tags: Tags of its step.
        pool: Dagster's concurrency pool of its step.
        translator: Changes how the asset looks in Dagster, its key included.

    Raises:
        OnlineError: ``automation`` is unknown.
    """
    declarative = is_declarative(automation)
    asset_key = dg.AssetKey.from_coercible(key)
    name = experiment or asset_key.to_user_string()
    names = list(experiments or map(_experiment_of, strategies))
    asset = (translator or RollingTranslator()).get_asset_spec(
        SIGNALS,
        RollProps(
            name=name,
            experiment=name,
            default_key=asset_key,
            description=description,
            owners=owners,
            group_name=group_name,
            tags=tags or {},
            is_declarative=declarative,
            upstream=[dg.AssetDep(_collected_of(strategy)) for strategy in strategies],
        ),
    )

    @dg.multi_asset(
        name=asset_key.to_python_identifier(),
        specs=[asset],
        retry_policy=retry_policy,
        op_tags=dict(op_tags or {}),
        pool=pool,
    )
    def signals(
        context: dg.AssetExecutionContext, config: SignalsConfig
    ) -> dg.MaterializeResult[Any]:
        with wf_errors_as_failures():
            # strategies begin their online life one after the other
            is_online_run = declarative or SESSION_TAG in context.run.tags
            frame = average_signals(names, only_exist=is_online_run)
            revised = no_revisions()
            if not config.over_write and any(OnlineToolR(of).state().sessions for of in names):
                session = context.run.tags.get(SESSION_TAG)
                late = {of: late_names(OnlineLedger(of)) for of in names}
                frame, revised = _append_to_sent(name, frame, session, late)
            further = {}
            if len(revised):
                further[REVISIONS] = pd.concat([load_revisions(name), revised], ignore_index=True)
            recorder = keep_signals(name, frame, names, further)
        for day, rows in revised.groupby("session")["rows"].sum().items():
            context.log.warning(
                f"{name}: the signals of {day:%Y-%m-%d}, which were sent, have {rows} rows more, "
                "whose closes came late"
            )
        days = days_of(frame)
        figures = {"rows": len(frame), "sessions": int(days.nunique())}
        if len(revised):
            figures["late_rows"] = int(revised["rows"].sum())
            figures["revised_sessions"] = int(revised["session"].nunique())
        latest = frame.loc[days.max(), "score"].sort_values(ascending=False)
        context.log.info(f"{name}: {len(frame)} scores up to {format_moment(days.max())}")
        table = "\n".join(f"| {code} | {score:+.3f} |" for code, score in latest.items())
        return dg.MaterializeResult(
            metadata={
                **number_metadata(figures),
                "first": dg.MetadataValue.text(format_moment(days.min())),
                "last": dg.MetadataValue.text(format_moment(days.max())),
                "top": dg.MetadataValue.text(f"{latest.index[0]} {latest.iloc[0]:+.3f}"),
                "latest": dg.MetadataValue.md(f"| instrument | score |\n|---|---|\n{table}"),
                "mlflow_run": dg.MetadataValue.url(run_url(recorder.experiment_id, recorder.id)),
            }
        )

    return signals


def _collected_of(strategy: str | RollingAssets) -> dg.AssetKey:
    return (
        StrategyKeys(strategy).asset("collected")
        if isinstance(strategy, str)
        else (strategy.key("collected"))
    )


def _experiment_of(strategy: str | RollingAssets) -> str:
    return strategy if isinstance(strategy, str) else strategy.spec.experiment


def _append_to_sent(
    experiment: str, frame: pd.DataFrame, session: str | None, late: LateNames
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The signals that were sent, completed, then those of the sessions after them; revisions."""
    sent = load_signals(experiment)
    if sent is None:
        return frame, no_revisions()
    if isinstance(sent, pd.Series):  # an OnlineManager has sent them
        sent = sent.to_frame("score")
    first = days_of(sent).max()
    if session is not None:  # a session that was sent stays, unless it is worked through again
        first = min(first + pd.Timedelta(days=1), pd.Timestamp(session))
    first = first_to_make(sent, first, late)
    sent, revised = revise_signals(sent, frame, late, load_revisions(experiment))
    return append_signals(sent, frame, first), revised
