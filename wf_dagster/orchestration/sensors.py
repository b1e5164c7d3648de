"""The sensors of online serving: new prices, rolls that are due, runs that failed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd

from wf_dagster.calendars import default_calendar
from wf_dagster.data import price_source
from wf_dagster.data.sources import PriceSource
from wf_dagster.errors import WfError
from wf_dagster.orchestration.online_runs import (
    last_session,
    online_job,
    online_request,
    run_going,
    state_of,
)
from wf_dagster.orchestration.rolling import RollingAssets
from wf_dagster.tasks import why_not_due
from wf_dagster.tracking import end_runs_of

Answer = dg.SensorResult | dg.SkipReason


def new_data_sensor(
    strategy: RollingAssets,
    *,
    signals: Sequence[str] = ("signals",),
    minimum_interval_seconds: int = 60,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """A sensor that brings a strategy up to date when its prices move on.

    A later last session asks for one run, however many sessions were missed. Prices of sessions
    that were there before and have changed ask for one that predicts the window of the online
    models again. While a run is going it waits. Its cursor holds the session and the content of
    the prices up to it, so a restart repeats nothing.

    Args:
        strategy: What :func:`build_rolling_assets` gave.
        signals: Keys of the signals assets to refresh.
        minimum_interval_seconds: Seconds between looks.
        default_status: Whether it is switched on from the start.
    """

    @dg.sensor(
        name=f"{strategy.name}_new_data_sensor",
        job=online_job(strategy, signals),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description=f"Brings {strategy.name} up to date when its prices move on.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Answer:
        try:
            return _new_data(context, strategy)
        except WfError as error:
            raise dg.Failure(description=str(error)) from None

    return sensor


def _new_data(context: dg.SensorEvaluationContext, strategy: RollingAssets) -> Answer:
    source = price_source(strategy.step.prices)
    session, version = last_session(), source.version()
    day = f"{session:%Y-%m-%d}"
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    if seen.get("version") == version and seen.get("session") == day:
        return dg.SkipReason(f"no prices after {day}, and those before have not changed")
    if run := run_going(context.instance, strategy):
        return dg.SkipReason(f"run {run} is bringing {strategy.name} up to date")
    cursor = json.dumps({"session": day, "version": version, "content": _content(source, session)})
    restated = bool(seen) and _content(source, pd.Timestamp(seen["session"])) != seen["content"]
    worked = state_of(strategy).session
    if not restated and worked is not None and worked >= day:
        return dg.SensorResult(
            skip_reason=f"{strategy.name} has worked through {worked} already", cursor=cursor
        )
    key = f"{strategy.name}:{day}" + (f":{version[-24:]}" if restated else "")
    request = online_request(strategy, session, key, predict_again=restated)
    return dg.SensorResult(run_requests=[request], cursor=cursor)


def _content(source: PriceSource, until: pd.Timestamp) -> str:
    """Identifies the prices up to a session; the same when later ones come."""
    prices = source.load(end=until)
    return f"{int(pd.util.hash_pandas_object(prices).sum()) & 0xFFFFFFFFFFFFFFFF:016x}"


def roll_due_sensor(
    strategy: RollingAssets,
    *,
    signals: Sequence[str] = ("signals",),
    minimum_interval_seconds: int = 300,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """A sensor that has a roll trained as soon as all its labels are known.

    Before the first session of its test window it is ``next_online``, from then on ``online``.

    Args:
        strategy: What :func:`build_rolling_assets` gave.
        signals: Keys of the signals assets to refresh.
        minimum_interval_seconds: Seconds between looks.
        default_status: Whether it is switched on from the start.
    """

    @dg.sensor(
        name=f"{strategy.name}_roll_due_sensor",
        job=online_job(strategy, signals),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description=f"Trains the next roll of {strategy.name} as soon as it can be.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Answer:
        try:
            return _roll_due(context, strategy)
        except WfError as error:
            raise dg.Failure(description=str(error)) from None

    return sensor


def _roll_due(context: dg.SensorEvaluationContext, strategy: RollingAssets) -> Answer:
    calendar = default_calendar()
    due = [roll for roll in strategy.step.partitions.rolls if why_not_due(roll, calendar) is None]
    if not due:
        return dg.SkipReason("no roll is due")
    key = due[-1].key
    if context.cursor == key:
        return dg.SkipReason(f"roll {key} is the latest that is due, and was asked for")
    if run := run_going(context.instance, strategy):
        return dg.SkipReason(f"run {run} is bringing {strategy.name} up to date")
    online = strategy.step.strategy()
    if any(online.roll_key(online.task_of(m)) >= key for m in online.held_models()):
        return dg.SensorResult(skip_reason=f"roll {key} is trained", cursor=key)
    request = online_request(strategy, calendar.last_session, f"{strategy.name}:due:{key}")
    return dg.SensorResult(run_requests=[request], cursor=key)


def failed_recorder_sensor(
    *,
    minimum_interval_seconds: int = 30,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
    name: str = "failed_recorder_sensor",
) -> dg.SensorDefinition:
    """A sensor that leaves no recorder RUNNING behind a Dagster run that failed or was cancelled.

    The recorders of such a run, and its parent in MLflow, become ``FAILED`` with the reason, except
    those that a living worker elsewhere still trains.

    Args:
        minimum_interval_seconds: Seconds between looks.
        default_status: Whether it is switched on from the start.
        name: Name of the sensor.
    """
    ended = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

    @dg.sensor(
        name=name,
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description="Ends the recorders of Dagster runs that failed or were cancelled.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Answer:
        since = float(context.cursor) if context.cursor else None
        found: Any = context.instance.get_run_records(
            dg.RunsFilter(
                statuses=ended,
                updated_after=None if since is None else _moment(since),
            ),
            order_by="update_timestamp",
            ascending=True,
        )
        lines = []
        for record in found:
            run = record.dagster_run
            try:
                for recorder in end_runs_of(run.run_id, f"its Dagster run {run.status.value}"):
                    lines.append(f"{recorder.name} ({recorder.id}) of run {run.run_id}")
            except WfError as error:
                raise dg.Failure(description=str(error)) from None
        cursor = str(max((r.update_timestamp.timestamp() for r in found), default=since or 0.0))
        why = f"ended {', '.join(lines)}" if lines else "no recorder was left running"
        context.log.info(why)
        return dg.SensorResult(skip_reason=why, cursor=cursor)

    return sensor


def _moment(stamp: float) -> Any:
    return pd.Timestamp(stamp, unit="s", tz="UTC").to_pydatetime()
