"""The signals of all strategies, made by a run: new ones are added to those that were sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from wf_dagster.collect import average_signals
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
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.orchestration.run_tags import SESSION_TAG
from wf_dagster.orchestration.steps.owners import claim_for_signals
from wf_dagster.tracking import run_url

_OVER_WRITE = (
    "launch this asset with {'over_write': true} to make all of them anew, or give it a key of its "
    "own, build_signals_asset(..., key=...)"
)


def make_signals(
    context: dg.AssetExecutionContext,
    name: str,
    names: Sequence[str],
    *,
    is_online_run: bool,
    over_write: bool,
) -> dg.MaterializeResult[Any]:
    """Average the scores of strategies and keep them.

    Args:
        context: The context of the running asset.
        name: The MLflow experiment of the signals.
        names: Those of the strategies.
        is_online_run: Whether strategies that have not begun to serve may be missing.
        over_write: Whether to make also those anew that were sent.
    """
    with wf_errors_as_failures():
        claim_for_signals(context, name)
        # strategies begin their online life one after the other
        frame = average_signals(names, only_exist=is_online_run)
        revised = no_revisions()
        of_sent = {*names, *sources_of(name)}  # what is not averaged any more was sent too
        if not over_write and any(OnlineToolR(of).state().sessions for of in of_sent):
            session = context.run.tags.get(SESSION_TAG)
            late = {of: late_names(OnlineLedger(of)) for of in names}
            frame, revised = _append_to_sent(name, frame, session, late)
        if not over_write:
            refuse_loss(name, names, frame, remedy=_OVER_WRITE)
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
