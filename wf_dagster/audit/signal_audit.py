"""The audit of what was served: could it be computed when it was sent?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from wf_dagster.audit.audited_part import AuditedPart
from wf_dagster.audit.other_panels import OtherPanels
from wf_dagster.audit.roll_audit import TrainedRoll, last_session
from wf_dagster.data.same_values import are_same, usual_sizes
from wf_dagster.errors import TrackingError
from wf_dagster.market import Market
from wf_dagster.online import OnlineToolR
from wf_dagster.online.online_state import OnlineState
from wf_dagster.tracking import Recorder
from wf_dagster.training import DATA_UNTIL

_SESSIONS = 12


def audit_signals(
    experiment: str, market: Market, part: AuditedPart, trusted: set[str] | None = None
) -> None:
    """Compute signals again that models of a strategy sent, with other prices after their session.

    Args:
        experiment: The strategy's.
        market: What it stands on.
        part: Gets what is compared.
        trusted: Modules whose classes its recorders may hold.
    """
    modules = (trusted or set()) | market.modules
    tool = OnlineToolR(experiment, trusted=modules, market=market)
    state = tool.state()
    if not state.sessions:
        part.note("the strategy has never been online: no signal was sent")
        return
    _check_training_dates(tool, state, part)
    sessions = _spread(state.sessions, _SESSIONS)
    for number, session in enumerate(sessions):
        for recorder in tool.recorders(state.online_at(session)):
            _compare(recorder, pd.Timestamp(session), market, part, number)
    part.note(f"{len(sessions)} of {len(state.sessions)} sessions at which it was online")


def _check_training_dates(tool: OnlineToolR, state: OnlineState, part: AuditedPart) -> None:
    """A model that serves since a session has seen no later price when it was trained."""
    for change in state.changes:
        for recorder in tool.recorders(change.online):
            until = recorder.list_tags().get(DATA_UNTIL, "")
            if change.session and until > change.session:
                part.fail(
                    f"recorder {recorder.id} serves since {change.session}, but was trained with "
                    f"prices up to {until}"
                )


def _compare(
    recorder: Recorder, session: pd.Timestamp, market: Market, part: AuditedPart, seed: int
) -> None:
    try:
        sent: pd.DataFrame = recorder.load_object("pred.pkl")
        task = recorder.load_object("task")
        trained = TrainedRoll.of(recorder, task, market)
    except TrackingError as error:
        part.miss(str(error), f"recorder {recorder.id} at {session:%Y-%m-%d}")
        return
    if trained is None:
        part.note("models whose dataset is no PanelDataset were not asked again")
        return
    sent = sent[sent.index.get_level_values("datetime") == session]
    panel = trained.dataset.panel
    is_last = session >= last_session(panel)
    if sent.empty or is_last or panel.source is None:
        return  # nothing came later that could have been seen
    dataset = trained.dataset
    start = dataset.segments["test"][0]
    dataset.config(segments={**dataset.segments, "test": (start, None)})
    others = OtherPanels(dataset, panel.source.load(), session, seed)
    if changed := others.describe_changed_names(panel):
        part.fail(f"{changed} (recorder {recorder.id})")
        return
    now = trained.predict(panel).reindex(sent.index)
    scores, of_now = sent[["score"]].to_numpy(), now[["score"]].to_numpy()
    is_same = are_same(scores, of_now, usual_sizes(sent[["score"]]))
    if not is_same.all():
        part.note(
            f"{int((~is_same).sum())} of {len(sent)} signals of {session:%Y-%m-%d} are not what "
            "their model computes now: prices or code have changed since they were sent"
        )
    part.compare(
        now,
        trained.predict(others.altered),
        session,
        f" (recorder {recorder.id})",
        lambda: trained.predict(others.ending),
    )


def _spread(items: Sequence[str], count: int) -> list[str]:
    """So many of some items, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]
