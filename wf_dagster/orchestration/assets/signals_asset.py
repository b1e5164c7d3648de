"""The merge of all strategies as one asset."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import Field

from wf_dagster.collect import average_signals
from wf_dagster.errors import OnlineError
from wf_dagster.moments import format_moment
from wf_dagster.online import OnlineToolR
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.online.served_prices import late_names
from wf_dagster.online.signal_loss import refuse_loss
from wf_dagster.online.signal_revisions import FILE as REVISIONS
from wf_dagster.online.signal_revisions import (
    LateNames,
    first_to_make,
    load_revisions,
    no_revisions,
    revise_signals,
)
from wf_dagster.online.signal_store import (
    append_signals,
    days_of,
    keep_signals,
    load_signals,
    sources_of,
)
from wf_dagster.orchestration.automation.conditions import (
    Automation,
    is_declarative,
    on_new_results,
)
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.orchestration.owners import claim_for_signals
from wf_dagster.orchestration.run_tags import SESSION_TAG
from wf_dagster.tracking import run_url

_OVER_WRITE = (
    "launch this asset with {'over_write': true} to make all of them anew, or give it a key of its "
    "own, build_signals_asset(..., key=...)"
)


class SignalsConfig(dg.Config):
    """Launch-time choices of the signals."""

    over_write: bool = Field(
        default=False,
        description="Make all signals anew, also those that were sent at earlier sessions.",
    )


def build_signals_asset(
    strategies: Sequence[str],
    *,
    key: str = "signals",
    experiments: Sequence[str] | None = None,
    description: str = "",
    owners: Sequence[str] = (),
    group_name: str = "signals",
    automation: Automation = "manual",
) -> dg.AssetsDefinition:
    """The average over strategies: the final score per (datetime, instrument).

    Once a strategy is online, signals stay as they were sent: only those of new sessions are added,
    and those of the last one made again. Launch it with ``over_write`` to make all of them anew.
    Without it no row that was sent goes away, nor are the signals of other strategies replaced.

    Args:
        strategies: Names given to :func:`build_rolling_assets`.
        key: Asset key, and name of the MLflow experiment that keeps the frame
            (``signals.pkl``: rows ``(datetime, instrument)``, column ``score``).
        experiments: Their MLflow experiments, if they are not called like the strategies.
        description: Shown on the asset.
        owners: Owners as Dagster takes them.
        group_name: Dagster group.
        automation: ``"declarative"`` makes new signals whenever a strategy was collected again.

    Raises:
        OnlineError: ``automation`` is unknown, or two strategies have one experiment.
    """
    shared = {name for name, count in Counter(experiments or strategies).items() if count > 1}
    if shared:
        raise OnlineError(
            f"signals {key!r}: the experiment {min(shared)!r} is named for two strategies; each "
            "strategy counts once, and has an experiment of its own"
        )
    declarative = is_declarative(automation)

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([name, "collected"]) for name in strategies],
        description=description
        or "Scores of all strategies, standardised a day and averaged: what a trader uses.",
        owners=list(owners),
        group_name=group_name,
        kinds={"pandas", "parquet"},
        automation_condition=on_new_results() if declarative else None,
    )
    def signals(
        context: dg.AssetExecutionContext, config: SignalsConfig
    ) -> dg.MaterializeResult[Any]:
        names = list(experiments or strategies)
        with wf_errors_as_failures():
            claim_for_signals(context, key)
            # strategies begin their online life one after the other
            is_online_run = declarative or SESSION_TAG in context.run.tags
            frame = average_signals(names, only_exist=is_online_run)
            revised = no_revisions()
            of_sent = {*names, *sources_of(key)}  # one that is not averaged any more was sent too
            if not config.over_write and any(OnlineToolR(n).state().sessions for n in of_sent):
                session = context.run.tags.get(SESSION_TAG)
                late = {name: late_names(OnlineLedger(name)) for name in names}
                frame, revised = _append_to_sent(key, frame, session, late)
            if not config.over_write:
                refuse_loss(key, names, frame, remedy=_OVER_WRITE)
            further = {}
            if len(revised):
                further[REVISIONS] = pd.concat([load_revisions(key), revised], ignore_index=True)
            recorder = keep_signals(key, frame, names, further)
        for day, rows in revised.groupby("session")["rows"].sum().items():
            context.log.warning(
                f"{key}: the signals of {day:%Y-%m-%d}, which were sent, have {rows} rows more, "
                "whose closes came late"
            )
        days = days_of(frame)
        figures = {"rows": len(frame), "sessions": int(days.nunique())}
        if len(revised):
            figures["late_rows"] = int(revised["rows"].sum())
            figures["revised_sessions"] = int(revised["session"].nunique())
        latest = frame.loc[days.max(), "score"].sort_values(ascending=False)
        context.log.info(f"{key}: {len(frame)} scores up to {format_moment(days.max())}")
        table = "\n".join(f"| {name} | {score:+.3f} |" for name, score in latest.items())
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
