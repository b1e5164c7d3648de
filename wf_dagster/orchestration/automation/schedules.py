"""The schedule of online serving: one tick a session, after its close."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import dagster as dg
import pandas as pd

from wf_dagster.calendars import calendar_name, default_calendar, to_day
from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.automation.online_requests import (
    online_job,
    online_request,
    request_key,
    run_going,
)
from wf_dagster.orchestration.failures import wf_errors_as_failures
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
    makes up for it. A session is worked through once, unless its run failed: then the next tick
    tries again.

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
        with wf_errors_as_failures():
            return _answer(context, strategy, execution_timezone)

    return online_schedule


def _answer(
    context: dg.ScheduleEvaluationContext, strategy: RollingAssets, timezone: str
) -> dg.RunRequest | dg.SkipReason:
    session, why = _session_of(context.scheduled_execution_time, timezone)
    if session is None:
        return dg.SkipReason(why)
    if run := run_going(context.instance, strategy):
        return dg.SkipReason(f"run {run} is bringing {strategy.name} up to date")
    key = request_key(context.instance, strategy, f"{session:%Y-%m-%d}")
    if key is None:
        return dg.SkipReason(f"{strategy.name} has worked through {session:%Y-%m-%d} already")
    return online_request(strategy, session, key)


def _session_of(tick: datetime, timezone: str) -> tuple[pd.Timestamp | None, str]:
    """The session that a tick is for, or why there is none."""
    calendar = default_calendar()
    last = calendar.last_session
    if get_settings().replay_date():  # the replay date is today
        return last, ""
    moment = pd.Timestamp(tick)
    today = to_day(moment.tz_convert(timezone).tz_localize(None) if moment.tzinfo else moment)
    if today in calendar.sessions and today <= last:
        return today, ""
    name = calendar_name()
    known = name != "prices" and today <= calendar.sessions[-1]
    if known and today not in calendar.sessions:
        where = "Qlib's calendar" if name == "qlib" else name
        return None, f"{today:%Y-%m-%d} is no session of {where}"
    return None, (
        f"prices of {today:%Y-%m-%d} are not there yet, the last are of {last:%Y-%m-%d}: a "
        "later tick, or the new data sensor, takes them in"
    )
