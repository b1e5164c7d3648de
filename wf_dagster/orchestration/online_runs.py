"""The runs that schedules and sensors ask for: one a strategy and session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from wf_dagster.calendars import default_calendar
from wf_dagster.online import OnlineState, OnlineToolR
from wf_dagster.orchestration.roll_step import SESSION_TAG
from wf_dagster.orchestration.rolling import RollingAssets
from wf_dagster.tasks import Roll

ONLINE_RUN_TAG = "wf_online"  # the strategy
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
            partitions_def=strategy.step.partitions.definition,
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
    predict_again: bool = False,
) -> dg.RunRequest:
    """A run that brings a strategy up to a session.

    Args:
        strategy: The strategy.
        session: The session.
        run_key: A run of this key is launched once.
        predict_again: Predict all sessions of the online models again.
    """
    day = f"{session:%Y-%m-%d}"
    config = {"online_session": day, "predict_again": predict_again}
    return dg.RunRequest(
        run_key=run_key,
        partition_key=roll_of(strategy, session).key,
        run_config={"ops": {f"{strategy.name}_rolls": {"config": config}}},
        tags={ONLINE_RUN_TAG: strategy.name, SESSION_TAG: day},
    )


def roll_of(strategy: RollingAssets, session: pd.Timestamp) -> Roll:
    """The roll whose test window holds a session: the latest that has begun by then."""
    rolls = list(strategy.step.partitions.rolls)
    begun = [roll for roll in rolls if roll.test[0] is None or roll.test[0] <= session]
    return begun[-1] if begun else rolls[0]


def run_going(instance: dg.DagsterInstance, strategy: RollingAssets) -> str | None:
    """The id of a run that is bringing the strategy up to date now."""
    tags = {ONLINE_RUN_TAG: strategy.name}
    found = instance.get_runs(dg.RunsFilter(tags=tags, statuses=_GOING), limit=1)
    return found[0].run_id if found else None


def state_of(strategy: RollingAssets) -> OnlineState:
    """What is online, and the last session that was worked through."""
    return OnlineToolR(strategy.step.experiment).state()


def last_session() -> pd.Timestamp:
    """The last session with prices now."""
    return default_calendar().last_session
