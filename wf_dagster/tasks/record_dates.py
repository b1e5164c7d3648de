"""Dates that the configuration of a record fixes: from when until when a portfolio is simulated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wf_dagster.dates import read_moment
from wf_dagster.errors import CalendarError
from wf_dagster.tasks.config import class_path
from wf_dagster.tasks.schema import list_records

START, END = "start_time", "end_time"
_PLACES = (("config", "backtest"), ("config",), ())  # Qlib's, and those of this project's record


@dataclass(frozen=True)
class FixedDates:
    """Dates of a record.

    Attributes:
        place: Their path in the record, such as ``("kwargs", "config", "backtest")``.
        start: The first day; ``None`` is that of the predictions.
        end: The last day; ``None`` is that of the predictions.
    """

    place: tuple[str, ...]
    start: Any = None
    end: Any = None

    def reaches_outside(self, first: Any, last: Any) -> bool:
        """Whether they lie before or after a range of days, both included; ``None`` is open."""
        before = None not in (self.start, first) and _day(self.start) < _day(first)
        return before or (None not in (self.end, last) and _day(self.end) > _day(last))

    def __str__(self) -> str:
        return f"{_format(self.start, 'the first')} to {_format(self.end, 'the last')}"


def read_fixed_dates(record: Any) -> FixedDates | None:
    """The dates that a record's configuration fixes.

    Args:
        record: ``{"class", "module_path", "kwargs"}``; anything else fixes none.

    Returns:
        ``None`` where it fixes none, as Qlib's workflow files may do by ``null``.

    Raises:
        CalendarError: One is no date.
    """
    kwargs = record.get("kwargs") if isinstance(record, Mapping) else None
    for place in _PLACES:
        inner: Any = kwargs
        for name in place:
            inner = _get(inner, name)
        start, end = (_read(_get(inner, name)) for name in (START, END))
        if start is not None or end is not None:
            return FixedDates(("kwargs", *place), start, end)
    return None


def change_fixed_dates(record: Mapping[str, Any], dates: FixedDates) -> dict[str, Any]:
    """A record with other dates; the given one stays as it is.

    Args:
        record: Its configuration, which has dates at the same place.
        dates: What stands there then.
    """
    changed: dict[str, Any] = _replace(record, dates.place, {START: dates.start, END: dates.end})
    return changed


def describe_dates_of_rolls(task: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with dates that records fix where a task is rolled: a sentence each.

    Args:
        task: A template, or one of its rolls.
    """
    for where, record in list_records(task):
        try:
            dates = read_fixed_dates(record)
        except CalendarError:  # the record itself says so
            continue
        if dates is None:
            continue
        name = class_path(record)
        consequence = (
            "it simulates the other sessions too, without predictions, and they count in its "
            "figures"
            if name.startswith("qlib.")
            else "a roll outside of them fails, and others are cut to them"
        )
        yield (
            f"{where} ({name.rpartition('.')[2]}) fixes its dates, {dates}, while each roll "
            f"predicts its own test segment: {consequence}. Leave out {START} and {END}, or have "
            "it computed once, on the joined predictions (RollingStrategySpec.analyses, "
            "build_rolling_assets(..., analyses=[...]))"
        )


def _get(value: Any, name: str) -> Any:
    """Of a mapping, or of a ready ``PortfolioConfig``."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _read(value: Any) -> Any:
    is_placeholder = isinstance(value, str) and value.startswith("<")
    return None if value is None or is_placeholder else read_moment(value)


def _day(moment: dt.datetime) -> dt.date:
    return moment.date()


def _format(moment: dt.datetime | None, open_end: str) -> str:
    return open_end if moment is None else f"{moment:%Y-%m-%d}"


def _replace(value: Any, place: tuple[str, ...], new: dict[str, Any]) -> Any:
    if place:
        return {**value, place[0]: _replace(value[place[0]], place[1:], new)}
    return {**value, **new} if isinstance(value, Mapping) else replace(value, **new)
