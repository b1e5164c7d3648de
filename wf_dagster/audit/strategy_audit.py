"""The audit of a strategy: some of its rolls, and what it has sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from wf_dagster.audit.audited_part import AuditedPart
from wf_dagster.audit.report import AuditReport
from wf_dagster.audit.roll_audit import FEATURES, LABELS, PREDICTIONS, PROCESSORS, RollAudit
from wf_dagster.audit.signal_audit import audit_signals
from wf_dagster.collect.roll_recorders import wanted_rolls
from wf_dagster.errors import RollKeyError
from wf_dagster.market import Market
from wf_dagster.online.sessions import session_calendar
from wf_dagster.rolling import Roll, Rolls
from wf_dagster.tasks import modules_named
from wf_dagster.training import find_trained_rolls

SIGNALS = "signals"
_RANGE = "..."
_QUESTIONS = {
    FEATURES: "Are raw features of a session computed from prices up to that session?",
    LABELS: "Were all labels of train and valid known when the test window's first session closed?",
    PROCESSORS: "Are processed features of a session computed from prices up to that session?",
    PREDICTIONS: "Do the recorded models score a session from prices up to that session?",
    SIGNALS: "Could what was sent online at a session be computed at that session?",
}


def audit_strategy(
    name: str,
    experiment: str,
    rolls: Rolls,
    market: Market,
    selected: Sequence[Roll],
    show_progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Change later prices at many dates and compare what a strategy computes.

    Args:
        name: Of the strategy.
        experiment: Its MLflow experiment.
        rolls: All its rolls.
        market: What it stands on.
        selected: The rolls to compare (see :func:`select_rolls`).
        show_progress: Called with the number of rolls that are done, and of all.

    Raises:
        TaskError: A task cannot be made.
        DataError: Prices cannot be read, or features cannot be computed.
    """
    started = time.perf_counter()
    parts = {part: AuditedPart(part, question) for part, question in _QUESTIONS.items()}
    recorders = find_trained_rolls(experiment, wanted_rolls(selected, market))
    for number, roll in enumerate(selected, 1):
        RollAudit(roll, recorders.get(roll.key), market, parts).run()
        if show_progress is not None:
            show_progress(number, len(selected))
    trusted = {module for roll in selected[:1] for module in modules_named(roll.task)}
    audit_signals(experiment, market, parts[SIGNALS], trusted)
    calendar = session_calendar(market)
    sessions = market.prices.sessions()
    return AuditReport(
        strategy=name,
        experiment=experiment,
        market=f"{market.prices!r} on the calendar {market.calendar_name}",
        first=sessions[0],
        last=sessions[-1],
        rolls=[roll.key for roll in selected],
        of_rolls=sum(roll.has_begun(calendar) for roll in rolls),
        parts=list(parts.values()),
        made_at=pd.Timestamp.now("UTC"),
        seconds=time.perf_counter() - started,
    )


def select_rolls(rolls: Rolls, market: Market, chosen: str = "", most: int = 12) -> list[Roll]:
    """The rolls to compare.

    Args:
        rolls: All there are.
        market: Says which of them have begun.
        chosen: Keys with commas between them, ``FIRST...LAST``, or ``"all"``; default some of them,
            spread evenly.
        most: How many are taken by default.

    Raises:
        RollKeyError: A key is no roll; the message names the nearest. Or none has begun.
    """
    calendar = session_calendar(market)
    begun = [roll for roll in rolls if roll.has_begun(calendar)]
    if chosen and chosen != "all":
        if _RANGE in chosen:
            first, last = (rolls.resolve(key.strip()).key for key in chosen.split(_RANGE, 1))
            begun = [roll for roll in begun if first <= roll.key <= last]
        else:
            keys = {rolls.resolve(key.strip()).key for key in chosen.split(",")}
            begun = [roll for roll in begun if roll.key in keys]
    if not begun:
        raise RollKeyError(
            f"none of the {len(rolls)} rolls {chosen or 'of the strategy'} has begun by "
            f"{calendar.last_session:%Y-%m-%d}: there is nothing to compare"
        )
    if chosen or len(begun) <= most:
        return begun
    return [begun[place] for place in np.linspace(0, len(begun) - 1, most).round().astype(int)]
