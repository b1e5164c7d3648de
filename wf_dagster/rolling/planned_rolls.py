"""Which rolls a strategy has, before anything of its prices is read."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from wf_dagster.dates import format_moment, read_moment, split_segment
from wf_dagster.errors import CalendarError, TaskError
from wf_dagster.known_sessions import KnownSessions, known_sessions
from wf_dagster.market import Market
from wf_dagster.prices.recorded_sessions import is_fresh
from wf_dagster.rolling.planned_keys import plan_keys
from wf_dagster.rolling.rolling_gen import RollingGen
from wf_dagster.tasks.segment_checks import SEGMENTS

_log = logging.getLogger(__name__)
_YEAR = dt.timedelta(days=366)


@dataclass(frozen=True)
class PlannedRolls:
    """The keys of rolls, as far as the calendar goes.

    Attributes:
        keys: ISO dates in the order of time; at least one.
        are_open_ended: Whether further periods follow for as long as time goes on.
    """

    keys: list[str]
    are_open_ended: bool = False


def plan_rolls(
    template: Mapping[str, Any],
    generator: RollingGen,
    market: Market,
    *,
    horizon: Any = None,
    name: str = "",
) -> PlannedRolls:
    """The rolls of a template on the sessions that are known without reading prices.

    Prices that are known to have ended end the rolls; of others the rolls up to today are there,
    and those of the year ahead where its sessions are known.

    Args:
        template: The task of the first roll.
        generator: How its segments move on.
        market: The market of the strategy.
        horizon: The last day on which a roll may start.
        name: The strategy's name, for messages.

    Raises:
        TaskError: The template has no test segment with a start.
        CalendarError: The template has no roll, whatever the prices.
    """
    test = _test_segment(template, generator)
    start = read_moment(test[0]).date()
    today = dt.datetime.now(dt.timezone.utc).date()
    known = known_sessions(market, start)
    hidden_after = market.hidden_after()
    last = known.last or today
    if hidden_after is not None:
        last = min(last, hidden_after)
    grows = known.grows if hidden_after is None else is_fresh(last)
    if horizon is not None:
        until = read_moment(horizon).date()
    elif grows:
        last = max(last, today) if hidden_after is None else last
        until = _until(known, generator.step, today)
    elif market.is_replayed:  # a replay ends where the prices do that it hides
        fixed = market.hidden_after(by_clock=False)
        until = min(known.last or today, fixed or dt.date.max)
    else:
        until = last
    reached = known if known.are_fixed else known.reach(until + _YEAR)
    keys = plan_keys(test, generator.step, reached.days, known.bars, last=last, until=until)
    if not keys:
        if known.are_fixed:
            end = "open" if test[1] is None else format_moment(test[1])
            raise CalendarError(
                f"strategy {name!r} has no roll: {SEGMENTS}.{generator.test_key} from {start} to "
                f"{end} holds no session with prices, which run from {known.days[0]} to {last}; "
                "give it an earlier start, or a later end"
            )
        later = max(start, until) + _YEAR  # prices may have come as far by the time they are read
        far = replace(known, bars=None).reach(later + _YEAR)
        keys = plan_keys(test, generator.step, far.days, last=later, until=later)[:1]
    if isinstance(generator.step, int) and (known.are_guessed or known.days[-1] < today <= until):
        _warn_of_guess(name, generator.step)
    is_open = grows and horizon is None and hidden_after is None and not known.are_fixed
    return PlannedRolls(keys, is_open and generator.is_period and test[1] is None)


def _until(known: KnownSessions, step: int | str, today: dt.date) -> dt.date:
    """The last day on which a roll may start while prices keep coming."""
    if isinstance(step, str) or known.are_guessed:
        return today + _YEAR
    return min(known.days[-1], today + _YEAR)


def _test_segment(template: Mapping[str, Any], generator: RollingGen) -> tuple[Any, Any]:
    where = f"{SEGMENTS}.{generator.test_key}"
    try:
        test = template["dataset"]["kwargs"]["segments"][generator.test_key]
    except (KeyError, TypeError):
        raise TaskError(
            f"{where} is missing: the other segments lie before the test segment"
        ) from None
    start, end = split_segment(test)
    if start is None:
        raise TaskError(f"{where} is {test!r}: give it a start")
    return start, end


def _warn_of_guess(name: str, step: int) -> None:
    _log.warning(
        "strategy %r: which days are sessions is not known before its prices were read, so rolls "
        "of %d sessions are planned on weekdays, and their partitions may have other dates; name "
        "an exchange (Market(..., calendar='XSHG')), or have the prices read once, by "
        "`wf-dagster status`, a run, a sensor or an observation, and reload the code location",
        name,
        step,
    )
