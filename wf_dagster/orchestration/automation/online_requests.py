"""The runs that schedules and sensors ask for: one a strategy and session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import dagster as dg

from wf_dagster.errors import CalendarError
from wf_dagster.orchestration.assets.rolling_list import RollingAssets, check_is_assets
from wf_dagster.orchestration.host_prices.run_prices import run_prices
from wf_dagster.orchestration.run_tags import ONLINE_RUN_TAG, RESTATED_TAG, SESSION_TAG
from wf_dagster.orchestration.steps.roll_config import LAST
from wf_dagster.orchestration.strategy.moved_keys import DefinedAssets
from wf_dagster.orchestration.strategy.signals_reference import Signals, refer_to_signals
from wf_dagster.orchestration.strategy.strategy_keys import FOLLOWING_PARTS

# what serves is slow to import, and asked for when a schedule or a sensor ticks
if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.online import OnlineState

_STARTING = timedelta(minutes=10)  # until a run that has started holds the online models
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_PARTS = ("predictions", "labels", *FOLLOWING_PARTS)


def online_job(strategy: RollingAssets, signals: Sequence[Signals] = ("signals",)) -> Any:
    """The job that brings a strategy up to a session, in this order: rolls, then what follows.

    Its analyses are not among it: one that fails would leave the session to be worked through
    again, and a backtest of the whole history at each session of a replay takes for ever.

    Args:
        strategy: What :func:`build_rolling_assets` gave.
        signals: What :func:`build_signals_asset` gave, or its keys: what to refresh after it.

    Raises:
        SettingsError: It is given something else than the assets of a strategy.
    """
    check_is_assets(strategy, "online_job")
    of_signals = [reference.key for reference in refer_to_signals(signals)]
    keys = (*strategy.spec.keys.assets(_PARTS), *of_signals)
    if keys not in strategy.jobs:
        strategy.jobs[keys] = dg.define_asset_job(
            strategy.spec.keys.online_job,
            selection=DefinedAssets(f"job {strategy.spec.keys.online_job}", keys),
            description=(
                f"Brings the online models of {strategy.name} up to a session: trains rolls that "
                "are due, switches models, updates predictions and labels, then collects and makes "
                "signals. Launch it through its schedule or a sensor."
            ),
            tags={ONLINE_RUN_TAG: strategy.name},
        )
    return strategy.jobs[keys]


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
    # whether prices that runs read have come so far only the run itself will know
    at = LAST if run_prices(strategy.spec.market) is not None else day
    config = {"online_session": at, "predict_again": bool(restated)}
    tags = {ONLINE_RUN_TAG: strategy.name, SESSION_TAG: day}
    return dg.RunRequest(
        run_key=run_key,
        partition_key=partition_of(strategy, session),
        run_config={"ops": {strategy.spec.keys.rolls_op: {"config": config}}},
        tags={**tags, RESTATED_TAG: restated} if restated else tags,
    )


def partition_of(strategy: RollingAssets, session: pd.Timestamp) -> str:
    """The partition of an online run: the roll that serves at its session.

    A roll that is yet to be trained may fail, and a run whose own partition fails collects nothing;
    the models before it are to go on. So it is the partition only where nothing serves yet.

    Raises:
        CalendarError: The definition was made of other sessions than the prices have.
    """
    held = held_rolls(strategy)
    rolls = strategy.spec.partitions.rolls
    begun = [r.key for r in rolls if r.test[0] is None or r.test[0] <= session] or rolls.keys[:1]
    key = max((key for key in held if key in begun), default=begun[-1])
    if not strategy.spec.partitions.definition.has_partition_key(key):
        raise CalendarError(
            f"roll {key} of {strategy.name} is no partition of the code location as it was loaded: "
            "its partitions were planned before these prices were read; reload the code location"
        )
    return key


def held_rolls(strategy: RollingAssets) -> list[str]:
    """Keys of the rolls whose models are or will be online."""
    online = strategy.spec.online_strategy()
    return [online.roll_key(online.task_of(recorder)) for recorder in online.held_models()]


def unfinished_run(instance: dg.DagsterInstance, name: str, experiment: str) -> str | None:
    """The id of a run that is bringing a strategy up to date now.

    One whose process was killed with all that watched it never ends for Dagster: it does not count.

    Args:
        instance: Where the runs are kept.
        name: Name of the strategy.
        experiment: Its MLflow experiment.
    """
    from wf_dagster.online.ledger import OnlineLedger

    tags = {ONLINE_RUN_TAG: name}
    for record in instance.get_run_records(dg.RunsFilter(tags=tags, statuses=_UNFINISHED)):
        run = record.dagster_run
        young = datetime.now(timezone.utc) - record.update_timestamp < _STARTING
        waits = run.status == dg.DagsterRunStatus.QUEUED
        if waits or young or OnlineLedger(experiment).held_by():
            return run.run_id
    return None


def request_key(instance: dg.DagsterInstance, strategy: RollingAssets, day: str) -> str | None:
    """The run key for a session; ``None`` when it was worked through.

    A run of this key is launched once. Where runs of the session went wrong, the next attempt has
    a key of its own.
    """
    tags = {ONLINE_RUN_TAG: strategy.name, SESSION_TAG: day}
    attempts = instance.get_runs(dg.RunsFilter(tags=tags))
    worked = online_state(strategy).session
    if worked is not None and worked >= day:
        # a run that died after its rolls has left what follows them undone
        is_incomplete = attempts and attempts[0].status != dg.DagsterRunStatus.SUCCESS
        if worked > day or not is_incomplete:
            return None
    return f"{strategy.name}:{day}" + (f":{len(attempts)}" if attempts else "")


def online_state(strategy: RollingAssets) -> OnlineState:
    """What is online, and the last session that was worked through."""
    from wf_dagster.online.ledger import OnlineLedger

    return OnlineLedger(strategy.spec.experiment).read()
