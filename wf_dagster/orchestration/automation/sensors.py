"""The sensors of online serving: new prices, rolls that are due, runs that failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import cache
from typing import Any

import dagster as dg

from wf_dagster.orchestration.assets.rolling_list import RollingAssets, check_is_assets
from wf_dagster.orchestration.automation.online_requests import (
    held_rolls,
    online_job,
    online_request,
    request_key,
    unfinished_run,
)
from wf_dagster.orchestration.failures import PRICE_ERRORS, skip_for, wf_errors_as_failures
from wf_dagster.orchestration.run_tags import ONLINE_RUN_TAG, RESTATED_TAG
from wf_dagster.orchestration.strategy.signals_reference import Signals
from wf_dagster.rolling import why_not_due

Answer = dg.SensorResult | dg.SkipReason
_RUNS_A_TICK = 100  # a first tick may find years of failed runs


def new_data_sensor(
    strategy: RollingAssets,
    *,
    signals: Sequence[Signals] = ("signals",),
    minimum_interval_seconds: int = 60,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """A sensor that brings a strategy up to date when its prices move on.

    A later last session asks for one run, however many sessions were missed. Prices of sessions
    that were there before and have changed ask for one that predicts the window of the online
    models again; should that run fail, the next one does so. Where only closes have come that
    sessions lacked when they were served, the run adds their rows and changes no other. While a run
    is going it waits. Its cursor holds the session and the content of the prices up to it, so a
    restart repeats nothing.

    Args:
        strategy: What :func:`build_rolling_assets` gave.
        signals: What :func:`build_signals_asset` gave, or its keys: what to refresh.
        minimum_interval_seconds: Seconds between looks.
        default_status: Whether it is switched on from the start.
    """
    check_is_assets(strategy, "new_data_sensor")
    return _strategy_sensor(
        strategy,
        _look_for_prices,
        name=strategy.spec.keys.new_data_sensor,
        job=online_job(strategy, signals),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description=f"Brings {strategy.name} up to date when its prices move on.",
    )


def _strategy_sensor(
    strategy: RollingAssets,
    evaluate: Callable[[dg.SensorEvaluationContext, RollingAssets], Answer],
    **options: Any,
) -> dg.SensorDefinition:
    @dg.sensor(**options)
    def sensor(context: dg.SensorEvaluationContext) -> Answer:
        with wf_errors_as_failures():
            try:
                return evaluate(context, strategy)
            except PRICE_ERRORS as error:
                return skip_for(error, context)

    return sensor


def _look_for_prices(context: dg.SensorEvaluationContext, strategy: RollingAssets) -> Answer:
    import pandas as pd  # slow to import, as the next

    from wf_dagster.online.late_rows import only_came_late
    from wf_dagster.online.sessions import daily_calendar
    from wf_dagster.orchestration.automation.price_versions import template_prices

    spec = strategy.spec
    prices = template_prices(spec.template, spec.market)
    session, version = daily_calendar(spec.market).last_session, prices.version()
    day = f"{session:%Y-%m-%d}"
    before: dict[str, str] = json.loads(context.cursor or "{}")
    if before.get("version") == version and before.get("session") == day:
        return dg.SkipReason(f"no prices after {day}, and those before have not changed")
    if run := unfinished_run(context.instance, strategy.name, strategy.spec.experiment):
        return dg.SkipReason(f"run {run} is bringing {strategy.name} up to date")
    content = prices.content(session)
    cursor = {"session": day, "version": version, "content": content}
    is_changed = before and prices.content(pd.Timestamp(before["session"])) != before["content"]
    came_late = is_changed and only_came_late(spec.online_strategy())
    if (is_changed and not came_late) or _is_owed(
        context.instance, strategy, before.get("restated")
    ):
        cursor["restated"] = content
        key: str | None = f"{strategy.name}:{day}:restated:{content}"
    else:
        key = request_key(context.instance, strategy, day)
        if key is None and came_late:
            key = f"{strategy.name}:{day}:late:{content}"
    if key is None:
        return dg.SensorResult(
            skip_reason=f"{strategy.name} has worked through {day} already",
            cursor=json.dumps(cursor),
        )
    request = online_request(strategy, session, key, restated=cursor.get("restated", ""))
    return dg.SensorResult(run_requests=[request], cursor=json.dumps(cursor))


def _is_owed(instance: dg.DagsterInstance, strategy: RollingAssets, restated: str | None) -> bool:
    """Whether the run that was to predict again on restated prices has not succeeded."""
    if not restated:
        return False
    tags = {ONLINE_RUN_TAG: strategy.name, RESTATED_TAG: restated}
    success = dg.RunsFilter(tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS])
    return not instance.get_runs(success, limit=1)


def roll_due_sensor(
    strategy: RollingAssets,
    *,
    signals: Sequence[Signals] = ("signals",),
    minimum_interval_seconds: int = 300,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """A sensor that has a roll trained as soon as all its labels are known.

    Before the first session of its test window it is ``next_online``, from then on ``online``. It
    asks once a session until the roll is trained.

    Args:
        strategy: What :func:`build_rolling_assets` gave.
        signals: What :func:`build_signals_asset` gave, or its keys: what to refresh.
        minimum_interval_seconds: Seconds between looks.
        default_status: Whether it is switched on from the start.
    """
    check_is_assets(strategy, "roll_due_sensor")
    return _strategy_sensor(
        strategy,
        _look_for_due_roll,
        name=strategy.spec.keys.roll_due_sensor,
        job=online_job(strategy, signals),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description=f"Trains the next roll of {strategy.name} as soon as it can be.",
    )


def _look_for_due_roll(context: dg.SensorEvaluationContext, strategy: RollingAssets) -> Answer:
    from wf_dagster.online.sessions import daily_calendar  # slow to import

    calendar = daily_calendar(strategy.spec.market)
    session = calendar.last_session
    due = [roll for roll in strategy.spec.partitions.rolls if why_not_due(roll, calendar) is None]
    if not due:
        return dg.SkipReason("no roll is due")
    key, day = due[-1].key, f"{session:%Y-%m-%d}"
    request_mark = f"{key}@{day}"
    if context.cursor in (key, request_mark):
        return dg.SkipReason(f"roll {key} is the latest that is due, and was asked for")
    if run := unfinished_run(context.instance, strategy.name, strategy.spec.experiment):
        return dg.SkipReason(f"run {run} is bringing {strategy.name} up to date")
    if any(held >= key for held in held_rolls(strategy)):
        return dg.SensorResult(skip_reason=f"roll {key} is trained", cursor=key)
    request = online_request(strategy, session, f"{strategy.name}:due:{request_mark}")
    return dg.SensorResult(run_requests=[request], cursor=request_mark)


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
    return _failed_recorder_sensor(minimum_interval_seconds, default_status, name)


@cache  # definitions that bring it along each can be merged: Dagster takes one object once
def _failed_recorder_sensor(
    minimum_interval_seconds: int, default_status: dg.DefaultSensorStatus, name: str
) -> dg.SensorDefinition:
    unsuccessful = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

    @dg.sensor(
        name=name,
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description="Ends the recorders of Dagster runs that failed or were cancelled.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> Answer:
        from wf_dagster.tracking import end_runs_of  # slow to import

        since = float(context.cursor) if context.cursor else None
        records: Any = context.instance.get_run_records(
            dg.RunsFilter(
                statuses=unsuccessful,
                updated_after=None if since is None else _moment(since),
            ),
            limit=_RUNS_A_TICK,
            order_by="update_timestamp",
            ascending=True,
        )
        ended = []
        for record in records:
            run = record.dagster_run
            with wf_errors_as_failures():
                recorders = end_runs_of(run.run_id, f"its Dagster run {run.status.value}")
            ended += [f"{r.name} ({r.id}) of run {run.run_id}" for r in recorders]
        cursor = str(max((r.update_timestamp.timestamp() for r in records), default=since or 0.0))
        reason = f"ended {', '.join(ended)}" if ended else "no recorder was left running"
        context.log.info(reason)
        return dg.SensorResult(skip_reason=reason, cursor=cursor)

    return sensor


def _moment(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, tz=timezone.utc)
