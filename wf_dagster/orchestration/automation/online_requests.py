"""The runs that schedules and sensors ask for: one a strategy and session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pandas as pd

from wf_dagster.calendars import default_calendar
from wf_dagster.online import OnlineState
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.steps.backfill_step import SESSION_TAG

ONLINE_RUN_TAG = "wf_online"  # the strategy
RESTATED_TAG = "wf_restated"  # identifies the prices whose models predict again
_STARTING = timedelta(minutes=10)  # until a run that has started holds the online models
_GOING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_PARTS = ("predictions", "labels", "collected", "online_models")


def online_job(strategy: RollingAssets, signals: Sequence[str] = ("signals",)) -> Any:
    """The job that brings a strategy up to a session, in this order: rolls, then what follows.

    Args:
        strategy: What :func:`build_rolling_assets` gave.
        signals: Keys of signals assets to refresh after it.
    """
    keys = [*(strategy.key(part) for part in _PARTS), *(dg.AssetKey(key) for key in signals)]
    found = strategy.jobs.get(tuple(keys))
    if found is None:
        found = strategy.jobs[tuple(keys)] = dg.define_asset_job(
            f"{strategy.name}_online",
            selection=dg.AssetSelection.assets(*keys),
            description=(
                f"Brings the online models of {strategy.name} up to a session: trains rolls that "
                "are due, switches models, updates predictions and labels, then collects and makes "
                "signals. Launch it through its schedule or a sensor."
            ),
            tags={ONLINE_RUN_TAG: strategy.name},
        )
    return found


def online_request(
    strategy: RollingAssets,
    session: pd.Timestamp,
    run_key: str,
    *,
    restated: str = "",
) -> dg.RunRequest:
    """A run that brings a strategy up to a session.

    Args:
        strategy: The strategy.
        session: The session.
        run_key: A run of this key is launched once.
        restated: Identifies prices that were restated: the online models predict all their
            sessions again.
    """
    day = f"{session:%Y-%m-%d}"
    config = {"online_session": day, "predict_again": bool(restated)}
    tags = {ONLINE_RUN_TAG: strategy.name, SESSION_TAG: day}
    return dg.RunRequest(
        run_key=run_key,
        partition_key=partition_of(strategy, session),
        run_config={"ops": {f"{strategy.name}_rolls": {"config": config}}},
        tags={**tags, RESTATED_TAG: restated} if restated else tags,
    )


def partition_of(strategy: RollingAssets, session: pd.Timestamp) -> str:
    """The partition of an online run: the roll that serves at its session.

    A roll that is yet to be trained may fail, and a run whose own partition fails collects nothing;
    the models before it are to go on. So it is the partition only where nothing serves yet.
    """
    online = strategy.step.strategy()
    keys = [online.roll_key(online.task_of(model)) for model in online.held_models()]
    rolls = strategy.step.partitions.rolls
    begun = [r.key for r in rolls if r.test[0] is None or r.test[0] <= session] or rolls.keys[:1]
    return max((key for key in keys if key in begun), default=begun[-1])


def run_going(instance: dg.DagsterInstance, strategy: RollingAssets) -> str | None:
    """The id of a run that is bringing the strategy up to date now.

    One whose process was killed with all that watched it never ends for Dagster: it does not count.
    """
    tags = {ONLINE_RUN_TAG: strategy.name}
    for record in instance.get_run_records(dg.RunsFilter(tags=tags, statuses=_GOING)):
        run = record.dagster_run
        young = datetime.now(timezone.utc) - record.update_timestamp < _STARTING
        waits = run.status == dg.DagsterRunStatus.QUEUED
        if waits or young or _ledger(strategy).held_by():
            return run.run_id
    return None


def request_key(instance: dg.DagsterInstance, strategy: RollingAssets, day: str) -> str | None:
    """The run key for a session; ``None`` when it was worked through.

    A run of this key is launched once. Where runs of the session went wrong, the next attempt has
    a key of its own.
    """
    tags = {ONLINE_RUN_TAG: strategy.name, SESSION_TAG: day}
    tried = instance.get_runs(dg.RunsFilter(tags=tags))
    worked = state_of(strategy).session
    if worked is not None and worked >= day:
        # a run that died after its rolls has left what follows them undone
        wrong = tried and tried[0].status != dg.DagsterRunStatus.SUCCESS
        if worked > day or not wrong:
            return None
    return f"{strategy.name}:{day}" + (f":{len(tried)}" if tried else "")


def state_of(strategy: RollingAssets) -> OnlineState:
    """What is online, and the last session that was worked through."""
    return _ledger(strategy).read()


def _ledger(strategy: RollingAssets) -> OnlineLedger:
    return OnlineLedger(strategy.step.experiment)


def last_session() -> pd.Timestamp:
    """The last session with prices now."""
    return default_calendar().last_session
