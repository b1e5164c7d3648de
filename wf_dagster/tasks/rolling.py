"""Rolling: one template, its segments moved on step by step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from wf_dagster.calendars import Segment, TradingCalendar, default_calendar, pair, to_day
from wf_dagster.errors import CalendarError, TaskError
from wf_dagster.tasks.generators import Task, TaskGen

_FREQUENCY = {"week": "W-SUN", "month": "M", "quarter": "Q-DEC", "year": "Y-DEC"}
_Places = dict[str, tuple["int | None", "int | None"]]  # segments as positions in the calendar


def handler_mod(task: Task, rolling_gen: RollingGen) -> None:
    """Let the data handler of a task reach to the end of its test segment.

    Changes the given task in place, as a ``ds_extra_mod_func`` may. A dataset without a
    handler, or with one that is not a configuration or has no ``end_time``, stays as it is.
    """
    kwargs = task["dataset"]["kwargs"]
    handler = kwargs.get("handler")
    settings = handler.get("kwargs") if isinstance(handler, dict) else None
    if not isinstance(settings, dict) or settings.get("end_time") is None:
        return
    end = kwargs["segments"][rolling_gen.test_key][1]
    if end is not None and rolling_gen.calendar.interval(settings["end_time"], end) < 0:
        settings["end_time"] = end


class RollingGen(TaskGen):
    """Moves the segments of a task on, a step at a time, until the test data end.

    The first task's test segment starts where the template's starts and is one step long; the
    others follow without a gap, up to the end of the template's test segment or the last
    session with data, whichever is first. The last test segment may run past it; its end is
    ``None`` where it runs past the calendar.

    Args:
        step: Sessions a roll, or ``"week"``, ``"month"``, ``"quarter"``, ``"year"``: then each
            test segment is the sessions of one period.
        rtype: ``RollingGen.ROLL_EX`` keeps the start of the train segment,
            ``RollingGen.ROLL_SD`` its length in sessions. Other segments keep their length.
        ds_extra_mod_func: Called with each new task and this generator, to change the task.
        test_key: Name of the test segment.
        train_key: Name of the train segment.
        trunc_days: Cut the other segments so that they end this many sessions before the test
            start; set it to the number of sessions that a label looks ahead.
        task_copy_func: How the template is copied; default a deep copy.
        calendar: Trading calendar; default that of the settings.

    Raises:
        TaskError: ``step`` or ``rtype`` is unknown.

    Example:
        >>> import pandas as pd
        >>> calendar = TradingCalendar(pd.bdate_range("2020-01-01", "2020-12-31"))
        >>> task = {
        ...     "model": "package.Model",
        ...     "dataset": {"class": "package.Data", "kwargs": {"segments": {
        ...         "train": ("2020-01-01", "2020-06-30"), "test": ("2020-07-01", None)}}},
        ... }
        >>> tasks = RollingGen(20, rtype=RollingGen.ROLL_SD, calendar=calendar).generate(task)
        >>> len(tasks), tasks[1]["dataset"]["kwargs"]["segments"]["test"]
        (7, (Timestamp('2020-07-29 00:00:00'), Timestamp('2020-08-25 00:00:00')))
    """

    ROLL_EX = TradingCalendar.SHIFT_EX
    ROLL_SD = TradingCalendar.SHIFT_SD

    def __init__(
        self,
        step: int | str = 40,
        rtype: str = ROLL_EX,
        ds_extra_mod_func: Callable[[Task, RollingGen], None] | None = handler_mod,
        test_key: str = "test",
        train_key: str = "train",
        trunc_days: int | None = None,
        task_copy_func: Callable[[Any], Any] = copy.deepcopy,
        calendar: TradingCalendar | None = None,
    ) -> None:
        if rtype not in (self.ROLL_EX, self.ROLL_SD):
            raise TaskError(f"rtype {rtype!r} is unknown: use 'expanding' or 'sliding'")
        whole = isinstance(step, int) and not isinstance(step, bool) and step > 0
        if not whole and step not in _FREQUENCY:
            raise TaskError(
                f"step {step!r} is unknown: use a number of sessions, or one of "
                f"{', '.join(map(repr, _FREQUENCY))}"
            )
        if trunc_days is not None and trunc_days < 0:
            raise TaskError(f"trunc_days {trunc_days} is negative: it would look ahead")
        self.step = step
        self.rtype = rtype
        self.ds_extra_mod_func = ds_extra_mod_func
        self.test_key = test_key
        self.train_key = train_key
        self.trunc_days = trunc_days
        self.task_copy_func = task_copy_func
        self._calendar = calendar

    @property
    def is_period(self) -> bool:
        """Whether the step is a period of the calendar year rather than a session count."""
        return isinstance(self.step, str)

    @property
    def calendar(self) -> TradingCalendar:
        """The trading calendar in use."""
        if self._calendar is None:
            self._calendar = default_calendar()
        return self._calendar

    @calendar.setter
    def calendar(self, value: TradingCalendar) -> None:
        self._calendar = value

    def generate(self, task: Mapping[str, Any]) -> list[Task]:
        """All rolls of a template, the first one included.

        Raises:
            TaskError: The template has no test segment with a start.
            CalendarError: The test segment starts after the calendar.
        """
        segments = self._segments(task)
        calendar = self.calendar
        start, end = pair(segments[self.test_key])
        first = calendar.index(calendar.align(start))
        places: _Places = {name: _places(calendar, segment) for name, segment in segments.items()}
        places[self.test_key] = (first, self._last_of(first))
        if self.trunc_days is not None:
            for name in places:
                if name != self.test_key:
                    cut = calendar.truncate(
                        segments[name], calendar.session_at(first), self.trunc_days
                    )
                    places[name] = _places(calendar, cut)
        made = self._task(task, places)
        return [made, *self.gen_following_tasks(made, end)]

    def gen_following_tasks(self, task: Mapping[str, Any], test_end: Any) -> Iterator[Task]:
        """The rolls that follow a task, which itself is left out.

        Args:
            task: A task with aligned segments, as :meth:`generate` makes them.
            test_end: The last roll is the one that holds this date; ``None``, or a date past
                the last session with data, stands for that session.
        """
        calendar = self.calendar
        limit = calendar.last_session
        if test_end is not None:
            limit = min(limit, to_day(test_end))
        segments = self._segments(task)
        places = {name: _places(calendar, segment) for name, segment in segments.items()}
        first = previous = places[self.test_key][0]
        if first is None or previous is None:
            raise TaskError(f"segment {self.test_key!r} has no start to roll from")
        while True:
            previous = self._next_start(previous)
            if previous >= len(calendar) or calendar.sessions[previous] > limit:
                return
            yield self._task(task, self._moved(places, previous - first, previous))

    def _moved(self, places: _Places, by: int, test_start: int) -> _Places:
        moved: _Places = {}
        for name, (start, end) in places.items():
            if name == self.test_key:
                moved[name] = (test_start, self._last_of(test_start))
                continue
            grows = name == self.train_key and self.rtype == self.ROLL_EX
            moved[name] = (
                start if start is None or grows else start + by,
                None if end is None else end + by,
            )
        return moved

    def _next_start(self, start: int) -> int:
        if isinstance(self.step, int):
            return start + self.step
        return self.calendar.index(self._period(start).end_time, "end") + 1

    def _last_of(self, start: int) -> int:
        """Last position of the test segment; past the calendar when its end is not known."""
        if isinstance(self.step, int):
            return start + self.step - 1
        end = self._period(start).end_time
        if end.normalize() > self.calendar.sessions[-1]:
            return len(self.calendar)
        return self.calendar.index(end, "end")

    def _period(self, start: int) -> pd.Period:
        return self.calendar.sessions[start].to_period(_FREQUENCY[str(self.step)])

    def period_start(self, session: pd.Timestamp) -> pd.Timestamp:
        """First day of the period that holds a session (period steps only)."""
        return session.to_period(_FREQUENCY[str(self.step)]).start_time.normalize()

    def _segments(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            segments: Mapping[str, Any] = task["dataset"]["kwargs"]["segments"]
            start = segments[self.test_key][0]
        except (KeyError, TypeError, IndexError):
            raise TaskError(
                f"dataset.kwargs.segments.{self.test_key} is missing: rolling needs the test "
                "segment of the first roll"
            ) from None
        if start is None:
            raise TaskError(
                f"dataset.kwargs.segments.{self.test_key} has no start: rolling begins there"
            )
        return segments

    def _task(self, task: Mapping[str, Any], places: _Places) -> Task:
        calendar = self.calendar
        made: Task = self.task_copy_func(task)
        # a copy function may share parts on purpose; the segments are always this roll's own
        dataset = {**made["dataset"], "kwargs": dict(made["dataset"]["kwargs"])}
        dataset["kwargs"]["segments"] = {
            name: (calendar.session_at(start), calendar.session_at(end))
            for name, (start, end) in places.items()
        }
        made = {**made, "dataset": dataset}
        if self.ds_extra_mod_func is not None:
            self.ds_extra_mod_func(made, self)
        return made


def _places(calendar: TradingCalendar, segment: Any) -> tuple[int | None, int | None]:
    start, end = pair(segment)
    first = None if start is None else calendar.index(start)
    last = None if end is None else calendar.index(end, "end")
    if last is not None and last < 0:
        raise CalendarError(
            f"the segment {start} to {end} ends before the first session "
            f"{calendar.sessions[0]:%Y-%m-%d}"
        )
    return first, last


def segment_of(value: Any) -> Segment:
    """A segment as Timestamps."""
    start, end = pair(value)
    return (None if start is None else to_day(start), None if end is None else to_day(end))
