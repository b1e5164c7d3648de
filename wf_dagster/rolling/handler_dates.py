"""What a roll changes on the data handler and the processors of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.dates import Segment, to_stamp
from wf_dagster.tasks.segments import with_dataset_kwargs

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar
    from wf_dagster.rolling.rolling_gen import RollingGen
    from wf_dagster.tasks import Task

_FIT_TIMES = ("fit_start_time", "fit_end_time")


def handler_mod(task: Task, rolling_gen: RollingGen) -> None:
    """Let the data handler of a task reach to the end of its test segment.

    The handler's ``end_time`` becomes the end of the test segment where it is earlier. Before
    an open end it stays, unless it is before the start of the test segment: then it is opened
    as well, as the roll would have no data otherwise. A dataset without a handler, or with one
    that is not a configuration or has no ``end_time``, stays as it is.

    Puts a new dataset into the given task, as a ``ds_extra_mod_func`` may; the old one, which
    the template may share, is not changed.
    """
    kwargs = task["dataset"]["kwargs"]
    handler = kwargs.get("handler")
    settings = handler.get("kwargs") if isinstance(handler, Mapping) else None
    if not isinstance(settings, Mapping) or settings.get("end_time") is None:
        return
    start, end = kwargs["segments"][rolling_gen.test_key]
    needed = start if end is None else end
    if _ends_before(settings["end_time"], needed, rolling_gen.calendar):
        longer = {**handler, "kwargs": {**settings, "end_time": end}}
        task["dataset"] = with_dataset_kwargs(task, handler=longer)["dataset"]


def _ends_before(end_time: Any, needed: Any, calendar: TradingCalendar) -> bool:
    """Whether a handler's data end before a session."""
    if calendar.has_bars:  # to Qlib a day without a time of day is its midnight
        return bool(to_stamp(end_time) < needed)
    return calendar.interval(end_time, needed) < 0


def fit_on_train(task: Task, train: Segment) -> Task:
    """A task whose handler and processors are fitted on the train segment.

    Each ``fit_start_time`` and ``fit_end_time`` in the dataset's keyword arguments, however
    deep, becomes the start and the end of the segment.
    """
    return with_dataset_kwargs(task, **_replace_fit_times(task["dataset"]["kwargs"], train))


def _replace_fit_times(value: Any, train: Segment) -> Any:
    if isinstance(value, Mapping):
        times = dict(zip(_FIT_TIMES, train, strict=True))
        return {
            k: times[k] if k in times else _replace_fit_times(v, train) for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        values = [_replace_fit_times(v, train) for v in value]
        return values if isinstance(value, list) else tuple(values)
    return value
