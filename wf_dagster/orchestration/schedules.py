"""The schedule of online serving: one tick a session, after its close."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
import pandas as pd

from wf_dagster.calendars import default_calendar, to_day
from wf_dagster.errors import WfError
from wf_dagster.orchestration.online_runs import online_job, online_request, run_going, state_of
from wf_dagster.orchestration.rolling import RollingAssets
from wf_dagster.settings import get_settings


def build_online_schedule(
    strategy: RollingAssets,
    cron: str,
    execution_timezone: str,
    *,
    signals: Sequence[str] = ("signals",),
    default_status: dg.DefaultScheduleStatus = dg.DefaultScheduleStatus.STOPPED,
) -> dg.ScheduleDefinition:
    """A schedule that keeps the online models of a strategy current.

    Each tick asks for one run, which trains what is due, switches models, updates predictions and
    labels, and refreshes ``collected``, ``online_models`` and the signals, in this order. A day
    that is no session, or whose prices are not there yet, is skipped and says so; the next tick
    makes up for it. A session is never worked through twice.

    All its runs carry the tags ``wf_online`` (the strategy) and ``wf_session``.

    Args:
        strategy: What :func:`build_rolling_assets` gave.
        cron: When to tick: every day, after the close and after the prices have come.
        execution_timezone: Time zone of the cron line, that of the exchange.
        signals: Keys of the signals assets to refresh.
        default_status: Whether it is switched on from the start.

    Example:
        >>> schedule = build_online_schedule(
        ...     momentum, "30 17 * * *", "America/New_York"
        ... )  # doctest: +SKIP
    """

    @dg.schedule(
        cron_schedule=cron,
        execution_timezone=execution_timezone,
        name=f"{strategy.name}_online_schedule",
        job=online_job(strategy, signals),
        default_status=default_status,
        description=f"Brings the online models of {strategy.name} up to each session.",
    )
    def online_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        try:
            session, why = _session_of(context.scheduled_execution_time)
            if session is None:
                return dg.SkipReason(why)
            worked = state_of(strategy).session
        except WfError as error:
            raise dg.Failure(description=str(error)) from None
        day = f"{session:%Y-%m-%d}"
        if worked is not None and worked >= day:
            return dg.SkipReason(f"{strategy.name} has worked through {worked} already")
        if run := run_going(context.instance, strategy):
            return dg.SkipReason(f"run {run} is bringing {strategy.name} up to date")
        return online_request(strategy, session, f"{strategy.name}:{day}")

    return online_schedule


def _session_of(tick: pd.Timestamp | object) -> tuple[pd.Timestamp | None, str]:
    """The session that a tick is for, or why there is none."""
    calendar = default_calendar()
    last = calendar.last_session
    if get_settings().replay_date():  # the replay date is today
        return last, ""
    today = to_day(pd.Timestamp(tick).tz_localize(None))  # type: ignore[arg-type]
    if today not in calendar.sessions:
        return None, f"{today:%Y-%m-%d} is no session of {get_settings().calendar}"
    if last < today:
        return None, (
            f"prices of {today:%Y-%m-%d} are not there yet, the last are of {last:%Y-%m-%d}: a "
            "later tick, or the new data sensor, takes them in"
        )
    return today, ""
