"""Rolls as time-window partitions, and partition keys back as tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from wf_dagster.errors import CalendarError
from wf_dagster.tasks import Roll, RollingGen, Rolls

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar

_FORMAT = "%Y-%m-%d"
_DAILY = "0 0 * * *"
_CRON = {
    "week": "0 0 * * 1",
    "month": "0 0 1 * *",
    "quarter": "0 0 1 1,4,7,10 *",
    "year": "0 0 1 1 *",
}
_OFFSET: dict[str, pd.DateOffset] = {
    "week": pd.DateOffset(weeks=1),
    "month": pd.DateOffset(months=1),
    "quarter": pd.DateOffset(months=3),
    "year": pd.DateOffset(years=1),
}


@dataclass(frozen=True)
class RollingPartitions:
    """The partitions of one strategy.

    Attributes:
        definition: What Dagster shows and backfills.
        rolls: The rolls behind it. A roll's dates come from here, never from the partition's
            time window, whose end means nothing for rolls.
    """

    definition: dg.TimeWindowPartitionsDefinition
    rolls: Rolls

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
    name: str = "",
) -> RollingPartitions:
    """Turn a task template and a rolling generator into time-window partitions.

    Every roll whose test segment has started by the calendar's last session is a partition:
    the current roll is there before its test window has ended. Keys are ISO dates; no key
    falls on a day that is not a roll.

    Args:
        template: The task of the first roll.
        generator: How its segments move on.
        calendar: Default that of the generator, else that of the settings.
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
    rolls = Rolls.from_template(template, generator, calendar, name=name)
    keys = list(rolls.keys)
    if not keys:
        raise CalendarError(
            f"strategy {name!r} has no roll: its test segment starts after the last session "
            "with prices; give it an earlier test start"
        )
    return RollingPartitions(_definition(keys, generator.step), rolls)


def _definition(keys: list[str], step: int | str) -> dg.TimeWindowPartitionsDefinition:
    first, last = pd.Timestamp(keys[0]), pd.Timestamp(keys[-1])
    if isinstance(step, str):
        cron, following = _CRON[step], last + _OFFSET[step]
        days = pd.date_range(first, last, freq="D")
        ticks = days[[_is_tick(day, step) for day in days]]
        offset = 1  # the running period counts, and `end` keeps the one after it out
    else:
        # A weekday cron hides Friday's partition until Monday; a daily one with everything
        # else excluded does not.
        cron, following, offset = _DAILY, last + pd.Timedelta(days=1), 0
        ticks = pd.date_range(first, last, freq="D")
    rolls = set(keys)
    return dg.TimeWindowPartitionsDefinition(
        start=keys[0],
        end=following.strftime(_FORMAT),
        fmt=_FORMAT,
        cron_schedule=cron,
        end_offset=offset,
        exclusions=[d.to_pydatetime() for d in ticks if d.strftime(_FORMAT) not in rolls] or None,
    )


def _is_tick(day: pd.Timestamp, step: str) -> bool:
    return {
        "week": day.dayofweek == 0,
        "month": day.day == 1,
        "quarter": day.is_quarter_start,
        "year": day.is_year_start,
    }[step]
