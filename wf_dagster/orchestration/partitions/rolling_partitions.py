"""Rolls as time-window partitions, and partition keys back as tasks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError, DataError
from wf_dagster.market import Market
from wf_dagster.orchestration.partitions.windows import windows_of
from wf_dagster.rolling import Roll, RollingGen, Rolls
from wf_dagster.tasks import Task
from wf_dagster.training.task_market import take_market

_FRESH_DAYS = 10  # prices that are older do not grow any more


@dataclass(frozen=True)
class RollingPartitions:
    """The partitions of one strategy.

    Attributes:
        definition: What Dagster shows and backfills.
        rolls: The rolls behind it. A roll's dates come from here, never from the partition's
            time window, whose end means nothing for rolls.
        market: On whose sessions they stand. Its calendar has data up to the last session there
            is now, while that of the rolls is as old as the code location.
    """

    definition: dg.TimeWindowPartitionsDefinition
    rolls: Rolls
    market: Market

    def roll(self, key: str) -> Roll:
        """The roll of a partition key.

        Raises:
            RollKeyError: The key is no roll; the message names the nearest.
        """
        return self.rolls.resolve(key)

    def task(self, key: str) -> dict[str, Any]:
        """The task of a partition key (see :meth:`roll`)."""
        return self.roll(key).task

    def key(self, task: Mapping[str, Any]) -> str:
        """The partition key of a task made by the same template and generator."""
        return self.rolls.key_of(task)


def rolling_partitions(
    template: Mapping[str, Any],
    generator: RollingGen,
    calendar: TradingCalendar | None = None,
    *,
    market: Market | None = None,
    horizon: Any = None,
    name: str = "",
) -> RollingPartitions:
    """Turn a task template and a rolling generator into time-window partitions.

    Every roll whose test segment has started by the calendar's last session is a partition:
    the current roll is there before its test window has ended. While prices keep coming, the
    rolls of the time ahead are in the definition too, and Dagster shows each from midnight (UTC)
    of its key on: a code location that stays loaded needs no reload for the next roll. Keys are
    ISO dates; no key falls on a day that is not a roll.

    Args:
        template: The task of the first roll.
        generator: How its segments move on.
        calendar: Sessions of your own; short for ``market=Market(calendar=calendar)``.
        market: Default that of the settings, on the generator's calendar if it has one.
        horizon: The last day on which a roll may start. Default the calendar's end while prices
            keep coming, else the last session with prices.
        name: The strategy's name, for messages.

    Raises:
        CalendarError: The template has no roll on this calendar.

    Example:
        >>> import pandas as pd
        >>> from wf_dagster import RollingGen, TradingCalendar
        >>> calendar = TradingCalendar(pd.bdate_range("2020-01-01", "2020-12-31"))
        >>> template = {
        ...     "model": "wf_dagster.models.SklearnModel",
        ...     "dataset": {
        ...         "class": "PanelDataset",
        ...         "module_path": "wf_dagster.data",
        ...         "kwargs": {
        ...             "segments": {
        ...                 "train": ("2020-01-01", "2020-06-30"),
        ...                 "test": ("2020-07-01", None),
        ...             }
        ...         },
        ...     },
        ... }
        >>> monthly = rolling_partitions(template, RollingGen("month", calendar=calendar))
        >>> monthly.definition.get_partition_keys()[:2]
        ['2020-07-01', '2020-08-01']
    """
    template, market = strategy_market(template, generator, calendar, market)
    sessions = market.calendar
    until = _horizon(market, sessions) if horizon is None else horizon
    rolls = Rolls.from_template(template, generator, sessions, until=until, name=name)
    if not rolls.keys:
        raise CalendarError(
            f"strategy {name!r} has no roll: its test segment starts after the last session "
            "with prices; give it an earlier test start"
        )
    return RollingPartitions(windows_of(rolls.keys, generator.step), rolls, market)


def strategy_market(
    template: Mapping[str, Any],
    generator: RollingGen,
    calendar: TradingCalendar | None,
    market: Market | None,
) -> tuple[Task, Market]:
    """The template of a strategy, without the market that its dataset may name; and its market.

    Args:
        template: The task of the first roll.
        generator: Its calendar counts where none of the others is given.
        calendar: Sessions of the user's own, with the prices of the settings.
        market: A market.

    Raises:
        CalendarError: Both a calendar and a market are given, or two markets.
        DataError: The market is none.
    """
    task, carried = take_market(template)
    if market is not None and carried not in (None, Market.of(market)):
        raise CalendarError(
            f"the strategy is given {market!r}, and its template names {carried!r}: a strategy "
            "has one market; leave one of them out"
        )
    market = market or carried
    if market is None:
        return task, Market(calendar=calendar or generator.own_calendar)
    if calendar is not None:
        raise CalendarError(
            "both a calendar and a market are given, and a market has a calendar: use "
            "market=Market(prices, calendar)"
        )
    return task, Market.of(market)


def _horizon(market: Market, calendar: TradingCalendar) -> pd.Timestamp:
    """Until when rolls are foreseen: past the last session only where prices keep coming."""
    age = pd.Timestamp.now("UTC").tz_localize(None) - calendar.last_session
    if age.days <= _FRESH_DAYS:
        return calendar.sessions[-1]
    if market.is_replayed:
        with suppress(DataError):  # a replay ends where the prices do that it hides
            return market.sessions_to_replay()[-1]
    return calendar.last_session
