"""Rolling: one template, its segments moved on step by step."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.dates import EXPANDING, SLIDING, Segment
from wf_dagster.errors import TaskError
from wf_dagster.imports.module_files import is_own_module
from wf_dagster.log_once import warn_once
from wf_dagster.market import Market
from wf_dagster.rolling.generators import TaskGen, whole_number
from wf_dagster.rolling.handler_dates import fit_on_train, handler_mod
from wf_dagster.rolling.roll_identity import training_fingerprint
from wf_dagster.rolling.time_adjuster import TimeAdjuster
from wf_dagster.tasks import TRUNC_DAYS, WARM_START, Task
from wf_dagster.tasks.config import class_path
from wf_dagster.tasks.fingerprint import fingerprint
from wf_dagster.tasks.record_dates import describe_dates_of_rolls
from wf_dagster.tasks.schema import BEFORE_TRAINING
from wf_dagster.tasks.segments import align_segments, truncate_segments, with_dataset_kwargs

if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.calendars import TradingCalendar

_log = logging.getLogger(__name__)
_FREQUENCY = {"week": "W-SUN", "month": "M", "quarter": "Q-DEC", "year": "Y-DEC"}
_Places = dict[str, tuple["int | None", "int | None"]]  # segments as positions in the calendar


class RollingGen(TaskGen):
    """Moves the segments of a task on, a step at a time, until the test data end.

    The first task's test segment starts where the template's starts and is one step long; the
    others follow without a gap, up to the end of the template's test segment or the last
    session with data, whichever is first. The last test segment may run past it; its end is
    ``None`` where it runs past the calendar.

    Where sessions are bars within days, all numbers of sessions are numbers of bars, and a roll
    begins with a day: its test segment is the fewest whole days that hold ``step`` bars, so that
    no two rolls begin on one day, which names them.

    Args:
        step: Sessions a roll, or ``"week"``, ``"month"``, ``"quarter"``, ``"year"``: then each
            test segment is the sessions of one period, and the others move on by as many
            sessions as the test start does.
        rtype: ``RollingGen.ROLL_EX`` keeps the start of the train segment,
            ``RollingGen.ROLL_SD`` its length in sessions. Other segments keep their length.
        ds_extra_mod_func: Called with each new task and this generator, to change the task.
        test_key: Name of the test segment.
        train_key: Name of the train segment.
        trunc_days: Cut the other segments so that they end at least this many sessions before
            the test start. With the number of sessions that a label looks ahead, all labels
            are known by the close of the first test session; one more, and they are known
            before it. The tasks carry the number (key ``trunc_days``, of no account to their
            fingerprint): the training of a roll fails where it is too small.
        task_copy_func: How the template is copied; default a deep copy.
        calendar: Trading calendar; default that of the settings.
        fit_with_train: Whether each roll's handler and processors are fitted on its own train
            segment (their ``fit_start_time`` and ``fit_end_time`` are set to its ends) rather
            than on that of the template for ever. Default: for datasets of this package yes,
            for others no, which is what Qlib does.
        warm_start: Whether each roll's model starts from the fitted model of the roll before:
            its ``fit`` gets that as ``init_model``. Such rolls are trained one after the other.

    Raises:
        TaskError: ``step``, ``rtype`` or ``trunc_days`` has no meaning.

    Example:
        >>> import pandas as pd
        >>> from wf_dagster import TradingCalendar
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

    # whether late labels fail a training; ``None``: where its task was cut to keep them out
    _refuses: bool | None = None

    ROLL_EX = EXPANDING
    ROLL_SD = SLIDING

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
        fit_with_train: bool | None = None,
        warm_start: bool = False,
    ) -> None:
        if rtype not in (self.ROLL_EX, self.ROLL_SD):
            raise TaskError(f"rtype {rtype!r} is unknown: use 'expanding' or 'sliding'")
        if not (isinstance(step, str) and step in _FREQUENCY):
            step = whole_number("step", step, 1, f"of sessions, or one of {', '.join(_FREQUENCY)}")
        if trunc_days is not None:
            trunc_days = whole_number("trunc_days", trunc_days, 0, "of sessions")
        self.step = step
        self.rtype = rtype
        self.ds_extra_mod_func = ds_extra_mod_func
        self.test_key = test_key
        self.train_key = train_key
        self.trunc_days = trunc_days
        self.task_copy_func = task_copy_func
        self.fit_with_train = fit_with_train
        self.warm_start = warm_start
        self._calendar = calendar

    @property
    def is_period(self) -> bool:
        """Whether the step is a period of the calendar year rather than a session count."""
        return isinstance(self.step, str)

    @property
    def own_calendar(self) -> TradingCalendar | None:
        """The trading calendar that it was given; ``None`` for that of the settings."""
        return self._calendar

    @property
    def calendar(self) -> TradingCalendar:
        """The trading calendar in use; that of the settings moves on with the prices."""
        return self._calendar if self._calendar is not None else Market().calendar

    @calendar.setter
    def calendar(self, value: TradingCalendar) -> None:
        self._calendar = value

    @property
    def ta(self) -> TimeAdjuster:
        """The calendar in use, for functions that were written for Qlib's generators."""
        return TimeAdjuster(calendar=self.calendar)

    def on(self, calendar: TradingCalendar) -> RollingGen:
        """The same generator on another calendar."""
        generator = copy.copy(self)
        generator._calendar = calendar
        return generator

    def with_look_ahead(self) -> RollingGen:
        """The same generator, of whose tasks late labels are warned of only, however it cuts."""
        generator = copy.copy(self)
        generator._refuses = False
        return generator

    def without_look_ahead(self, reach: int | None) -> RollingGen:
        """The same generator, of whose tasks late labels fail the training.

        Args:
            reach: Sessions that the label reaches: its ``trunc_days`` where it has none. ``None``
                where that is not known: then what is late shows when it is measured.
        """
        generator = copy.copy(self)
        generator._refuses = True
        if generator.trunc_days is None and reach:
            generator.trunc_days = reach
        return generator

    def generate(self, task: Mapping[str, Any], until: Any = None) -> list[Task]:
        """All rolls of a template, the first one included; the template stays as it is.

        Args:
            task: The template.
            until: The last roll is the one that holds this date, which may be in the future;
                default the last session with data.

        Raises:
            TaskError: The template has no test segment with a start.
            CalendarError: A segment lies outside the calendar, or nothing is left of it.
        """
        calendar = self.calendar
        self._warn_of_whole_days(calendar)
        segments = align_segments(task, calendar, self.test_key)
        start, end = segments[self.test_key]
        last = calendar.session_at(self._last_of(calendar.index(start)))
        segments[self.test_key] = (start, last)
        if self.trunc_days is not None:
            segments = truncate_segments(segments, calendar, self.trunc_days, self.test_key)
        first = self._task(task, segments)
        limit = calendar.last_session if until is None else calendar.moment(until, "end")
        until = limit if end is None else min(end, limit)
        tasks = [first, *self.gen_following_tasks(first, until)]
        if len(tasks) > 1:
            for sentence in describe_dates_of_rolls(first):
                warn_once(_log, sentence)
        return tasks

    def gen_following_tasks(self, task: Mapping[str, Any], test_end: Any) -> Iterator[Task]:
        """The rolls that follow a task, which itself is left out.

        Args:
            task: A task such as :meth:`generate` makes. For session steps a test segment of
                another length than ``step``, or with an open end, is moved on as it is.
            test_end: The last roll is the one that holds this date, which may be in the
                future; ``None`` stands for the last session with data.

        Raises:
            TaskError: The task has no test segment with a start.
            CalendarError: A segment lies outside the calendar.
        """
        calendar = self.calendar
        limit = calendar.last_session if test_end is None else calendar.moment(test_end, "end")
        segments = align_segments(task, calendar, self.test_key)
        places = {name: calendar.positions(segment) for name, segment in segments.items()}
        first = start = calendar.index(segments[self.test_key][0])
        is_as_made = self.is_period or places[self.test_key][1] == self._last_of(first)
        before: Mapping[str, Any] = task
        while True:
            start = self._next_start(start)
            if start >= len(calendar) or calendar.sessions[start] > limit:
                return
            moved = self._moved(places, start - first)
            if is_as_made:  # not all of them are of one length
                moved[self.test_key] = (start, self._last_of(start))
            if any(begin is not None and begin >= len(calendar) for begin, _ in moved.values()):
                return  # a segment after the test segment has left the calendar
            following = self._task(
                task,
                {
                    name: (calendar.session_at(begin), calendar.session_at(end))
                    for name, (begin, end) in moved.items()
                },
            )
            if self.warm_start:
                following[WARM_START] = fingerprint(before)
                following[BEFORE_TRAINING] = training_fingerprint(before)
            yield following
            before = following

    def _moved(self, places: _Places, by: int) -> _Places:
        moved: _Places = {}
        for name, (start, end) in places.items():
            grows = name == self.train_key and self.rtype == self.ROLL_EX
            moved[name] = (
                start if start is None or grows else start + by,
                None if end is None else end + by,
            )
        return moved

    def _next_start(self, start: int) -> int:
        if isinstance(self.step, int):
            return self.calendar.first_of_day(start + self.step)
        return self.calendar.index(self._period(start).end_time, "end") + 1

    def _last_of(self, start: int) -> int:
        """Last position of the test segment; past the calendar when its end is not known."""
        calendar = self.calendar
        if isinstance(self.step, int):
            if not calendar.has_bars:
                return start + self.step - 1
            # whether the last day of the calendar is whole, only a later bar shows
            following = self._next_start(start)
            return following - 1 if following < len(calendar) else following
        end = self._period(start).end_time
        if (end if calendar.has_bars else end.normalize()) > calendar.sessions[-1]:
            return len(calendar)
        return calendar.index(end, "end")

    def _warn_of_whole_days(self, calendar: TradingCalendar) -> None:
        bars = calendar.bars_per_day
        if isinstance(self.step, int) and self.step % bars:
            whole = -(-self.step // bars) * bars
            _log.warning(
                "step=%d bars is no whole number of days of %d bars: a roll begins with a day and "
                "holds whole days, here mostly %d bars; use a multiple of %d, or step='week'",
                *(self.step, bars, whole, bars),
            )

    def _period(self, start: int) -> pd.Period:
        return self.calendar.sessions[start].to_period(_FREQUENCY[str(self.step)])

    def period_start(self, session: pd.Timestamp) -> pd.Timestamp:
        """First day of the period that holds a session (period steps only)."""
        return session.to_period(_FREQUENCY[str(self.step)]).start_time.normalize()

    def _task(self, task: Mapping[str, Any], segments: Mapping[str, Segment]) -> Task:
        # a copy function may share parts on purpose; the dataset is always this roll's own
        roll = with_dataset_kwargs(self.task_copy_func(task), segments=dict(segments))
        if self._fits_with_train(roll) and self.train_key in segments:
            roll = fit_on_train(roll, segments[self.train_key])
        refuses = self.trunc_days is not None if self._refuses is None else self._refuses
        if refuses:
            roll[TRUNC_DAYS] = self.trunc_days or 0
        if self.ds_extra_mod_func is not None:
            self.ds_extra_mod_func(roll, self)
        return roll

    def _fits_with_train(self, task: Task) -> bool:
        if self.fit_with_train is not None:
            return self.fit_with_train
        return is_own_module(class_path(task["dataset"]))
