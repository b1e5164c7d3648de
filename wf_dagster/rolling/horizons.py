"""One template, a task for each forecast horizon."""

from __future__ import annotations

import abc
import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import TaskError
from wf_dagster.market import Market
from wf_dagster.rolling.generators import TaskGen, whole_number
from wf_dagster.rolling.time_adjuster import TimeAdjuster
from wf_dagster.tasks import TRUNC_DAYS, Task
from wf_dagster.tasks.label_functions import LABEL, label_functions
from wf_dagster.tasks.segments import align_segments, truncate_segments, with_dataset_kwargs

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar


class MultiHorizonGenBase(TaskGen):
    """Makes a task for each horizon, its segments cut so that no label reaches into the test.

    All segments but the test segment end at least ``horizon + label_leak_n`` sessions before
    the test start.

    Args:
        horizon: Forecast horizons in sessions.
        label_leak_n: Sessions to add to the horizon. A label that trades one session after the
            forecast is known ``horizon + 1`` sessions after it: with 2, all labels of the other
            segments are known before the first test session.
        test_key: Name of the test segment.
        calendar: Trading calendar; default that of the settings.

    Raises:
        TaskError: A horizon or ``label_leak_n`` is no number of sessions.
    """

    def __init__(
        self,
        horizon: Iterable[int] = (5,),
        label_leak_n: int = 2,
        *,
        test_key: str = "test",
        calendar: TradingCalendar | None = None,
    ) -> None:
        if isinstance(horizon, (str, Mapping)) or not isinstance(horizon, Iterable):
            raise TaskError(f"horizon {horizon!r} is unknown: use a list such as [1, 5, 20]")
        self.horizon = [whole_number("horizon", hr, 1, "of sessions") for hr in horizon]
        self.label_leak_n = whole_number("label_leak_n", label_leak_n, 0, "of sessions")
        self.test_key = test_key
        self.calendar = calendar

    @property
    def ta(self) -> TimeAdjuster:
        """The calendar in use, for code that was written for Qlib's generators."""
        return TimeAdjuster(calendar=self.calendar)

    @abc.abstractmethod
    def set_horizon(self, task: Task, hr: int) -> None:
        """Change the task, in place, to forecast ``hr`` sessions."""

    def generate(self, task: Mapping[str, Any]) -> list[Task]:
        """A task for each horizon, in their order; the template stays as it is.

        Raises:
            TaskError: The template has no test segment with a start.
            CalendarError: A segment lies outside the calendar, or nothing is left of it.
        """
        calendar = self.calendar or Market().calendar
        tasks = []
        for hr in self.horizon:
            new: Task = copy.deepcopy(dict(task))
            self.set_horizon(new, hr)
            segments = align_segments(new, calendar, self.test_key)
            days = hr + self.label_leak_n
            cut = truncate_segments(segments, calendar, days, self.test_key)
            tasks.append({**with_dataset_kwargs(new, segments=cut), TRUNC_DAYS: days})
        return tasks


class MultiHorizonGen(MultiHorizonGenBase):
    """Makes a task for each horizon, for datasets such as :class:`wf_dagster.PanelDataset`.

    The dataset's ``label`` is a function of prices, or several; each gets the keyword argument
    ``horizon``, or that which :func:`~wf_dagster.data.labels.looks_ahead` names for it. Arguments
    and errors are those of :class:`MultiHorizonGenBase`.

    Example:
        >>> import pandas as pd
        >>> from wf_dagster import TradingCalendar
        >>> calendar = TradingCalendar(pd.bdate_range("2020-01-01", "2020-12-31"))
        >>> task = {"model": "package.Model", "dataset": {
        ...     "class": "PanelDataset", "module_path": "wf_dagster.data", "kwargs": {"segments": {
        ...         "train": ("2020-01-01", "2020-06-30"), "test": ("2020-07-01", None)}}}}
        >>> tasks = MultiHorizonGen([1, 20], calendar=calendar).generate(task)
        >>> tasks[1]["dataset"]["kwargs"]["label"]
        {'func': 'wf_dagster.data.labels.forward_return', 'kwargs': {'horizon': 20}}
        >>> [f"{t['dataset']['kwargs']['segments']['train'][1]:%Y-%m-%d}" for t in tasks]
        ['2020-06-26', '2020-06-01']
    """

    def set_horizon(self, task: Task, hr: int) -> None:
        """Give ``horizon=hr`` to the label function.

        Raises:
            TaskError: The label function takes no ``horizon``, spans a fixed one, or trades so
                late (``lag``) that ``label_leak_n`` sessions are too few.
        """
        labels = []
        for function in label_functions(task):
            parameter = function.look_ahead.horizon
            if not isinstance(parameter, str):
                raise TaskError(
                    f"{LABEL}: {function.name} spans {parameter} sessions whatever it is given, as "
                    "its looks_ahead says, so its horizon cannot be set; give it a parameter for "
                    "it, and looks_ahead the parameter's name"
                )
            if parameter not in function.parameters:
                raise TaskError(
                    f"{LABEL}: {function.name} takes no 'horizon', so it cannot be set; use a "
                    "label such as 'wf_dagster.data.labels.forward_return', name the parameter "
                    "with wf_dagster.data.labels.looks_ahead, or use a MultiHorizonGenBase of your "
                    "own"
                )
            lag = function.lag
            if lag is not None and lag > self.label_leak_n:
                raise TaskError(
                    f"{LABEL}: {function.name} trades {lag} sessions after the forecast, so with "
                    f"label_leak_n={self.label_leak_n} labels of the train segment reach into the "
                    f"test segment: use label_leak_n={lag + 1}"
                )
            labels.append({**function.config, "kwargs": {**function.kwargs, parameter: hr}})
        if not labels:
            raise TaskError(f"{LABEL} is missing: it names the function whose horizon is set")
        changed = labels if len(labels) > 1 else labels[0]
        task["dataset"] = with_dataset_kwargs(task, label=changed)["dataset"]
