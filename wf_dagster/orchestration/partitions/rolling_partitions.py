"""Rolls as time-window partitions, and partition keys back as tasks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from wf_dagster.calendars import TradingCalendar, default_calendar
from wf_dagster.errors import CalendarError, DataError
from wf_dagster.market import Market
from wf_dagster.orchestration.partitions.windows import windows_of
from wf_dagster.rolling import Roll, RollingGen, Rolls
from wf_dagster.settings import get_settings

_FRESH = 10  # days: prices that are older do not grow any more


@dataclass(frozen=True)
class RollingPartitions:
    """The partitions of one strategy.

    Attributes:
        definition: What Dagster shows and backfills.
        rolls: The rolls behind it. A roll's dates come from here, never from the partition's
            time window, whose end means nothing for rolls.
        of_settings: Whether the rolls stand on the calendar of the settings.
    """

    definition: dg.TimeWindowPartitionsDefinition
    rolls: Rolls
    of_settings: bool = False

    def calendar(self) -> TradingCalendar:
        """The rolls' calendar, with data up to the last session there is now.

        That of the rolls themselves is as old as the code location; only one that was given to
        :func:`rolling_partitions` has nothing newer than itself.
        """
        return default_calendar() if self.of_settings else self.rolls.calendar

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
        calendar: Default that of the generator, else that of the settings.
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
    of_settings = calendar is None and generator.own_calendar is None
    calendar = calendar or generator.own_calendar or default_calendar()
    until = _horizon(calendar) if horizon is None else horizon
    rolls = Rolls.from_template(template, generator, calendar, until=until, name=name)
    if not rolls.keys:
        raise CalendarError(
            f"strategy {name!r} has no roll: its test segment starts after the last session "
            "with prices; give it an earlier test start"
        )
    return RollingPartitions(windows_of(rolls.keys, generator.step), rolls, of_settings)


def _horizon(calendar: TradingCalendar) -> pd.Timestamp:
    """Until when rolls are foreseen: past the last session only where prices keep coming."""
    age = pd.Timestamp.now("UTC").tz_localize(None) - calendar.last_session
    if age.days <= _FRESH:
        return calendar.sessions[-1]
    if get_settings().is_replaying():
        with suppress(DataError):  # a replay ends where the prices do that it hides
            return Market().sessions_to_replay()[-1]
    return calendar.last_session
