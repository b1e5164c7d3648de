"""Signals that were sent are not lost: what would take rows of them away is refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from wf_dagster.errors import OnlineError
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.online.signal_store import days_of, load_signals, sources_of

_log = logging.getLogger(__name__)


def refuse_loss(experiment_name: str, strategies: Sequence[str], new: Any, *, remedy: str) -> None:
    """Refuse signals that lack rows which the experiment holds, as long as these count.

    Rows count once they were sent, that is when a strategy which they were made of has been online.
    Signals of other strategies altogether are not replaced at all. What was only ever made of
    backfills is; rows that go away are then counted in the log.

    Args:
        experiment_name: The experiment of the signals.
        strategies: Experiments of the strategies that the new ones are made of.
        new: All signals that are to be kept: rows ``(datetime, instrument)``.
        remedy: What a person can do.

    Raises:
        OnlineError: They would be lost; it says how many of how many sessions.
    """
    before = load_signals(experiment_name)
    if before is None:
        return
    sources = sources_of(experiment_name)
    is_of_others = bool(sources) and not {*sources} & {*strategies}
    lost = before.index.difference(new.index)
    if not len(lost) and not is_of_others:
        return
    held = (
        f"experiment {experiment_name!r} holds {len(before)} signals of "
        f"{days_of(before).nunique()} sessions, made of {', '.join(sources) or 'others'}"
    )
    loss = (
        f"{len(lost)} of them, of {days_of(before.loc[lost]).nunique()} sessions, are not among "
        f"the {len(new)} that were made now of {', '.join(strategies)}"
    )
    if is_of_others or any(OnlineLedger(name).read().sessions for name in {*sources, *strategies}):
        reason = "they are of other strategies" if is_of_others else "they were sent"
        raise OnlineError(f"{held}; {loss}; {reason}, so nothing was changed: {remedy}")
    _log.warning("%s; %s; none of them was online, so they are replaced", held, loss)
