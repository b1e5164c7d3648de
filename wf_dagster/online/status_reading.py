"""Reads how a strategy stands: its prices, its rolls, what serves, and what needs a person."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import timedelta

import pandas as pd

from wf_dagster.calendars import TradingCalendar
from wf_dagster.collect.roll_recorders import RollRecorders, find_roll_recorders
from wf_dagster.errors import WfError
from wf_dagster.market import Market
from wf_dagster.moments import format_moment
from wf_dagster.online.expected_sessions import ExpectedSessions, due_now
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.online.online_state import OnlineState
from wf_dagster.online.sessions import session_calendar
from wf_dagster.online.signal_store import newest_signal
from wf_dagster.online.strategy_status import (
    RollsStatus,
    ServingModel,
    SignalsStatus,
    StrategyStatus,
)
from wf_dagster.rolling import Roll, Rolls, due_session, why_not_due

_DAY = "%Y-%m-%d"


def read_strategy_status(
    name: str,
    experiment: str,
    market: Market,
    read_rolls: Callable[[], Rolls],
    *,
    signals: Sequence[str] = (),
    max_missed: int,
    grace: timedelta,
    now: pd.Timestamp | None = None,
) -> StrategyStatus:
    """How a strategy stands. Prices are read, so their sessions are recorded in the home folder.

    What cannot be read is a problem of the answer, and the rest of it is there.

    Args:
        name: The strategy.
        experiment: Its MLflow experiment.
        market: What it stands on.
        read_rolls: Gives its rolls on the sessions that there are now.
        signals: The MLflow experiments of signals that it is a part of.
        max_missed: Sessions that a strategy which serves, and its signals, may be behind.
        grace: Time after the close of a session in which nothing is due yet.
        now: With time zone; default the present.
    """
    status, problems = StrategyStatus(name, experiment), []
    calendar = rolls = due = None
    try:
        hidden = market.hidden_after()
        status = replace(status, hidden_after=None if hidden is None else hidden.isoformat())
        calendar = session_calendar(market)
        status = replace(status, prices_until=format_moment(calendar.last_session))
        rolls, due = read_rolls(), due_now(market, grace, now)
    except Exception as error:  # a price source of the user's own may raise anything
        text = str(error) if isinstance(error, WfError) else f"{type(error).__name__}: {error}"
        status = replace(status, prices_error=text)
        problems.append(f"prices: {text}" if calendar is None else text)
    try:
        state = OnlineLedger(experiment).read()
        behind = _count_missed(due, state.session)
        status = replace(status, session=state.session, behind=behind)
        status, lost = _with_models(status, state)
        problems += [f"recorder {i}, which is online, was deleted" for i in lost]
        problems += _judge_serving(state, status, max_missed)
        if rolls is not None and calendar is not None and len(rolls):
            recorders = _find_recorders(experiment, rolls, state, market)
            status = replace(status, rolls=_rolls_status(rolls, calendar, recorders))
            problems += _judge_rolls(rolls, recorders, state)
        ages = tuple(_signals_status(signal, due) for signal in signals)
        status = replace(status, signals=ages)
        if state.session is not None:
            problems += [
                f"signals {age.experiment!r} end on {age.until}, {age.behind} sessions behind"
                for age in ages
                if age.behind is not None and age.behind > max_missed
            ]
    except WfError as error:
        problems.append(str(error))
    return replace(status, problems=tuple(problems))


def _count_missed(due: ExpectedSessions | None, reached: str | None) -> int | None:
    if due is None or reached is None:
        return None
    return int((due.sessions > pd.Timestamp(reached)).sum())


def _with_models(status: StrategyStatus, state: OnlineState) -> tuple[StrategyStatus, list[str]]:
    """The status with what serves, and the ids of what was deleted."""
    there = OnlineLedger(status.experiment).recorders([*state.online, *state.next_online])

    def describe(recorder_id: str, since: str | None) -> ServingModel:
        recorder = there.get(recorder_id)
        key = "" if recorder is None else recorder.list_tags().get("roll", recorder.name)
        return ServingModel(recorder_id, key, since)

    with_models = replace(
        status,
        online=tuple(describe(i, state.online_since(i)) for i in state.online),
        next_online=tuple(describe(i, None) for i in state.next_online),
    )
    return with_models, [i for i in state.online if i not in there]


def _find_recorders(
    experiment: str, rolls: Rolls, state: OnlineState, market: Market
) -> RollRecorders:
    served = {i for change in state.changes for i in change.online}
    return find_roll_recorders(experiment, rolls, state.online, served, market)


def _rolls_status(rolls: Rolls, calendar: TradingCalendar, recorders: RollRecorders) -> RollsStatus:
    begun = [roll.key for roll in rolls if roll.has_begun(calendar)]
    coming = next((roll for roll in rolls if not roll.has_begun(calendar)), None)
    due = [roll.key for roll in rolls if why_not_due(roll, calendar) is None]
    missing = tuple(key for key in due if key not in recorders.by_key)
    return RollsStatus(
        due=len(due),
        trained=len(due) - len(missing),
        missing=missing,
        outdated=tuple(key for key in missing if key in recorders.outdated),
        running=begun[-1] if begun else None,
        next=None if coming is None else coming.key,
        next_due=None if coming is None else _due_day(coming, calendar),
    )


def _due_day(roll: Roll, calendar: TradingCalendar) -> str | None:
    try:
        return format_moment(due_session(roll.task, calendar, roll.test_key))
    except WfError:  # its dates are not all known yet
        return None


def _judge_serving(state: OnlineState, status: StrategyStatus, max_missed: int) -> list[str]:
    """What is wrong with a strategy that serves."""
    if state.session is None:
        return []
    problems = [f"session {state.session}: {failure}" for failure in state.failures]
    if not state.online:
        problems.append("no model is online: set one online, or run an online session")
    if status.behind is not None and status.behind > max_missed:
        waits = status.prices_until is not None and status.prices_until > state.session
        problems.append(
            f"{status.behind} sessions behind: the last one worked through is {state.session}, "
            f"prices reach {status.prices_until}; "
            + ("is the schedule running?" if waits else "do the prices go on?")
        )
    return problems


def _judge_rolls(rolls: Rolls, recorders: RollRecorders, state: OnlineState) -> list[str]:
    """The rolls without a model of their own though sessions of theirs were worked through."""
    if not state.sessions:
        return []
    first, last = pd.Timestamp(state.sessions[0]), pd.Timestamp(state.sessions[-1])
    stood_in = {*recorders.outdated, *_keys_near(rolls, recorders.others)}
    missed = [
        roll.key
        for roll in rolls
        if (roll.test[0] is None or roll.test[0] <= last)
        and (roll.test[1] is None or roll.test[1] >= first)
        and roll.key not in {*recorders.by_key, *stood_in}
    ]
    if not missed:
        return []
    return [
        f"roll {missed[0]} is not trained, and sessions of its test window were worked through"
        + (f"; so it is with {len(missed) - 1} more" if missed[1:] else "")
        + ": materialize it, or look at why its training failed"
    ]


def _keys_near(rolls: Rolls, gone: Collection[str]) -> set[str]:
    """The rolls that moved after they were trained: what stands for them has a key in between."""
    keys = ["", *rolls.keys, "9999-12-31"]
    places = zip(keys, keys[1:], keys[2:], strict=False)
    return {key for before, key, after in places if any(before < k < after for k in gone)}


def _signals_status(experiment: str, due: ExpectedSessions | None) -> SignalsStatus:
    newest = newest_signal(experiment)
    until = None if newest is None else f"{newest:{_DAY}}"
    return SignalsStatus(experiment, until, _count_missed(due, until))
