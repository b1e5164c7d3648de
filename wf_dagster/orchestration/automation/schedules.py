"""The schedule of online serving: one tick a session, after its close."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from wf_dagster.market import Market
from wf_dagster.orchestration.assets.rolling_list import RollingAssets, check_is_assets
from wf_dagster.orchestration.automation.online_requests import (
    online_job,
    online_request,
    request_key,
    unfinished_run,
)
from wf_dagster.orchestration.failures import PRICE_ERRORS, skip_for, wf_errors_as_failures
from wf_dagster.orchestration.host_prices.run_prices import run_prices
from wf_dagster.orchestration.strategy.signals_reference import Signals

# sessions are slow to import, and asked for when a schedule ticks
if TYPE_CHECKING:
    import pandas as pd


def build_online_schedule(
    strategy: RollingAssets,
    cron: str,
    execution_timezone: str,
    *,
    signals: Sequence[Signals] = ("signals",),
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
        signals: What :func:`build_signals_asset` gave, or its keys: what to refresh.
        default_status: Whether it is switched on from the start.

    Example:
        >>> schedule = build_online_schedule(
        ...     momentum, "30 17 * * *", "America/New_York"
        ... )  # doctest: +SKIP
    """
    check_is_assets(strategy, "build_online_schedule")

    @dg.schedule(
        cron_schedule=cron,
        execution_timezone=execution_timezone,
        name=strategy.spec.keys.online_schedule,
        job=online_job(strategy, signals),
        default_status=default_status,
        description=f"Brings the online models of {strategy.name} up to each session.",
    )
    def online_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        with wf_errors_as_failures():
            try:
                return _request_or_skip(context, strategy, execution_timezone)
            except PRICE_ERRORS as error:
                return skip_for(error, context)

    return online_schedule


def _request_or_skip(
    context: dg.ScheduleEvaluationContext, strategy: RollingAssets, execution_timezone: str
) -> dg.RunRequest | dg.SkipReason:
    tick = context.scheduled_execution_time
    session, reason = _session_of(strategy.spec.market, tick, execution_timezone)
    if session is None:
        return dg.SkipReason(reason)
    if run := unfinished_run(context.instance, strategy.name, strategy.spec.experiment):
        return dg.SkipReason(f"run {run} is bringing {strategy.name} up to date")
    key = request_key(context.instance, strategy, f"{session:%Y-%m-%d}")
    if key is None:
        return dg.SkipReason(f"{strategy.name} has worked through {session:%Y-%m-%d} already")
    return online_request(strategy, session, key)


def _session_of(
    market: Market, tick: datetime, execution_timezone: str
) -> tuple[pd.Timestamp | None, str]:
    """The session that a tick is for, or why there is none."""
    import pandas as pd

    from wf_dagster.calendars import to_day
    from wf_dagster.online.sessions import daily_calendar

    calendar = daily_calendar(market)
    last = calendar.last_session
    if market.as_of is not None:  # the replay date is today
        return last, ""
    moment = pd.Timestamp(tick)
    local = moment.tz_convert(execution_timezone).tz_localize(None) if moment.tzinfo else moment
    today = to_day(local)
    if today in calendar.sessions and today <= last:
        return today, ""
    is_foreseen = today <= calendar.sessions[-1]  # else nothing is known ahead
    if is_foreseen and today not in calendar.sessions:
        return None, f"{today:%Y-%m-%d} is no session of {_calendar_label(market)}"
    if run_prices(market) is not None:
        return today, ""  # the run reads what has come by now
    if not is_foreseen and last < today:
        return last, ""  # sessions that no exchange continues, such as weeks, begin on any day
    return None, (
        f"prices of {today:%Y-%m-%d} are not there yet, the last are of {last:%Y-%m-%d}: a "
        "later tick, or the new data sensor, takes them in"
    )


def _calendar_label(market: Market) -> str:
    labels = {"qlib": "Qlib's calendar", "own": "the strategy's own calendar"}
    return labels.get(market.calendar_name) or market.exchange or "the prices"
