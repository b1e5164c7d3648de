"""Rolls as time-window partitions, and partition keys back as tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from wf_dagster.errors import CalendarError, DataError, RollKeyError
from wf_dagster.market import Market
from wf_dagster.orchestration.partitions.windows import windows_of
from wf_dagster.prices.recorded_sessions import is_fresh
from wf_dagster.rolling import Roll, RollingGen, Rolls
from wf_dagster.rolling.planned_rolls import plan_rolls
from wf_dagster.tasks import Task
from wf_dagster.training.task_market import take_market

if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.calendars import TradingCalendar


@dataclass(frozen=True)
class RollingPartitions:
    """The partitions of one strategy.

    Attributes:
        definition: What Dagster shows and backfills. It is made while definitions load, of the
            sessions that are known without reading prices.
        template: The task of the first roll.
        generator: How its segments move on.
        market: On whose sessions the rolls stand.
        horizon: The last day on which a roll may start; ``None`` leaves it to the prices.
        name: The strategy's name, for messages.
    """

    definition: dg.TimeWindowPartitionsDefinition
    template: Mapping[str, Any]
    generator: RollingGen
    market: Market
    horizon: Any = None
    name: str = ""

    @property
    def rolls(self) -> Rolls:
        """The rolls on the sessions that there are now, with their dates: prices are read.

        A roll's dates come from here, never from the partition's time window, whose end means
        nothing for rolls.

        Raises:
            CalendarError: The template's segments do not fit the calendar.
            DataError: The prices cannot be read.
        """
        sessions = self.market.calendar
        until = self.horizon
        if until is None:
            until = _horizon(self.market, sessions)
        key = (sessions, until)
        if key not in self._made:
            rolls = Rolls.from_template(
                self.template, self.generator, sessions, until=until, name=self.name
            )
            self._made.clear()  # those of earlier prices
            self._made[key] = rolls
        return self._made[key]

    @cached_property
    def _made(self) -> dict[Any, Rolls]:
        return {}

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

    def split_due(self, keys: Sequence[str]) -> tuple[list[Roll], dict[str, str], dict[str, str]]:
        """The rolls of partition keys, and why others have none.

        Args:
            keys: Of the definition, which was made before prices were read.

        Returns:
            The rolls; by key why there is none yet; and by key why it lies among the rolls and is
            none: the definition was made of other sessions than the prices have.
        """
        rolls = self.rolls
        last = max(rolls.keys, default="")
        ready: list[Roll] = []
        early: dict[str, str] = {}
        misplaced: dict[str, str] = {}
        for key in keys:
            if key > last:
                early[key] = self._why_early(key)
                continue
            try:
                ready.append(rolls.resolve(key))
            except RollKeyError as error:
                misplaced[key] = (
                    f"{error}. Its partition was planned before the prices were read: reload the "
                    "code location, which then has the partitions of these prices"
                )
        return ready, early, misplaced

    def _why_early(self, key: str) -> str:
        last = self.market.calendar.last_session
        return (
            f"roll {key} cannot be trained yet: it has no sessions, as the last one with prices is "
            f"{last:%Y-%m-%d}; materialize it when there are later ones"
        )


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

    No price is read: the sessions are those of the calendar that was given, or that the prices had
    when they were last read, or that the named exchange publishes, or weekdays (see
    :func:`~wf_dagster.known_sessions.known_sessions`). Every roll that has started by the last
    session that is known, or by today where prices keep coming, is a partition: the current roll is
    there before its test window has ended. While prices keep coming, the rolls of the time ahead
    are in the definition too, and Dagster shows each from midnight (UTC) of its key on: a code
    location that stays loaded needs no reload for the next roll. Keys are ISO dates.

    Args:
        template: The task of the first roll.
        generator: How its segments move on.
        calendar: Sessions of your own; short for ``market=Market(calendar=calendar)``.
        market: Default that of the settings, on the generator's calendar if it has one.
        horizon: The last day on which a roll may start. Default the calendar's end while prices
            keep coming, else the last session with prices.
        name: The strategy's name, for messages.

    Raises:
        TaskError: The template has no test segment with a start.
        CalendarError: The template has no roll, whatever the prices.

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
    planned = plan_rolls(template, generator, market, horizon=horizon, name=name)
    definition = windows_of(planned.keys, generator.step, open_ended=planned.are_open_ended)
    return RollingPartitions(definition, template, generator, market, horizon, name)


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
    if is_fresh(calendar.last_session.date()):
        return calendar.sessions[-1]
    if market.is_replayed:
        with suppress(DataError):  # a replay ends where the prices do that it hides
            return market.sessions_to_replay()[-1]
    return calendar.last_session
