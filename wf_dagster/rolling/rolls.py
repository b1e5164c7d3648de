"""The rolls of a template: tasks under the keys that partitions carry."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wf_dagster.dates import Segment
from wf_dagster.errors import RollKeyError
from wf_dagster.market import Market
from wf_dagster.rolling.rolling_gen import RollingGen
from wf_dagster.tasks import Task
from wf_dagster.tasks.segments import parse_segment

if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.calendars import TradingCalendar

_DAY = "%Y-%m-%d"


@dataclass(frozen=True)
class Roll:
    """One roll.

    Attributes:
        key: ISO date: the day of the first session of the test segment for session steps, the
            first day of the period for period steps.
        task: The task definition.
        segments: Pairs of sessions, both ends included; ``None`` is an open end.
        test_key: Name of the test segment.
    """

    key: str
    task: Task
    segments: Mapping[str, Segment]
    test_key: str = "test"

    @property
    def test(self) -> Segment:
        """The test segment."""
        return self.segments[self.test_key]

    def has_begun(self, calendar: TradingCalendar) -> bool:
        """Whether the test segment holds a session with data."""
        start = self.test[0]
        return start is None or start <= calendar.last_session


class Rolls:
    """The rolls of one strategy, in the order of time.

    Args:
        rolls: In the order of their keys.
        calendar: The calendar they were made on.
        name: The strategy's name, for messages.
    """

    def __init__(self, rolls: list[Roll], calendar: TradingCalendar, name: str = "") -> None:
        self._rolls = {roll.key: roll for roll in rolls}
        self.calendar = calendar
        self.name = name

    @classmethod
    def from_template(
        cls,
        template: Mapping[str, Any],
        generator: RollingGen,
        calendar: TradingCalendar | None = None,
        *,
        until: Any = None,
        name: str = "",
    ) -> Rolls:
        """The rolls of a template whose test segments have started by a date.

        A roll that starts after the last session with data is there only if all its dates are
        known: it is the same task, with the same fingerprint, that it will be once it has started.

        Args:
            template: The task of the first roll.
            generator: How its segments move on; it is left as it is.
            calendar: Default that of the generator, else that of the settings.
            until: The date, which may be in the future; default the last session with data.
            name: The strategy's name, for messages.

        Raises:
            TaskError: The template cannot be rolled.
            CalendarError: Its segments do not fit the calendar.
        """
        calendar = calendar or generator.own_calendar or Market().calendar
        generator = generator.on(calendar)
        limit = calendar.last_session if until is None else calendar.moment(until, "end")
        tasks = generator.generate(template, **({} if until is None else {"until": limit}))
        open_ended = {name for name, (_, end) in _segments(template).items() if end is None}
        rolls = []
        for task in tasks:
            segments = _segments(task)
            start = segments[generator.test_key][0]
            assert start is not None, "the generator refuses a template without test start"
            if start > limit:
                break
            cut = {name for name, (_, end) in segments.items() if end is None}
            if start > calendar.last_session and cut - (open_ended - {generator.test_key}):
                break  # it runs past the calendar: its dates, and its fingerprint, will change
            day = generator.period_start(start) if generator.is_period else start
            rolls.append(Roll(day.strftime(_DAY), task, segments, generator.test_key))
        return cls(rolls, calendar, name)

    def __iter__(self) -> Iterator[Roll]:
        return iter(self._rolls.values())

    def __len__(self) -> int:
        return len(self._rolls)

    @property
    def keys(self) -> list[str]:
        """The keys, in the order of time."""
        return list(self._rolls)

    def resolve(self, key: str) -> Roll:
        """The roll of a key.

        Raises:
            RollKeyError: The key is no roll; the message names the nearest.
        """
        if key in self._rolls:
            return self._rolls[key]
        keys = self.keys
        of = f" of {self.name!r}" if self.name else ""
        if not keys:
            raise RollKeyError(f"{key!r} is no roll{of}: there are none")
        place = bisect.bisect(keys, key)
        near = " and ".join(keys[max(0, place - 1) : place + 1])
        raise RollKeyError(
            f"{key!r} is no roll{of}: the nearest is {near} "
            f"({len(keys)} rolls from {keys[0]} to {keys[-1]})"
        )

    def between(self, first: str, last: str) -> list[Roll]:
        """The rolls from one key to another, both included."""
        return [roll for key, roll in self._rolls.items() if first <= key <= last]

    def key_of(self, task: Mapping[str, Any]) -> str:
        """The key of a task, by its test segment.

        Raises:
            RollKeyError: No roll has that test segment.
        """
        segments = _segments(task)
        for key, roll in self._rolls.items():
            if segments.get(roll.test_key) == roll.test:
                return key
        dates = task["dataset"]["kwargs"]["segments"]
        raise RollKeyError(
            f"no roll of {self.name!r} has the test segment of a task with {dates!r}: was it "
            "made with another template or calendar?"
        )

    def test_sessions(self, calendar: TradingCalendar | None = None) -> pd.DatetimeIndex:
        """The sessions with data that the rolls' test segments cover.

        Args:
            calendar: One that knows later sessions; default that of the rolls.
        """
        import pandas as pd  # slow to import

        calendar = calendar or self.calendar
        spans = [calendar.between(*roll.test) for roll in self]
        days = pd.DatetimeIndex(calendar.sessions[:0].append(spans).unique())
        return days[days <= calendar.last_session]


def _segments(task: Mapping[str, Any]) -> dict[str, Segment]:
    segments = task["dataset"]["kwargs"]["segments"]
    return {name: parse_segment(value) for name, value in segments.items()}
