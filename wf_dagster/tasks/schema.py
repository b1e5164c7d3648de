"""What a task must look like; each complaint names the path of the wrong key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from itertools import combinations
from typing import TYPE_CHECKING, Any

from wf_dagster.dates import (
    end_of_day,
    format_moment,
    is_midnight,
    names_day,
    read_moment,
    split_segment,
)
from wf_dagster.errors import CalendarError, TaskError
from wf_dagster.tasks.config import find_class, read_name
from wf_dagster.tasks.modules import modules_named
from wf_dagster.tasks.reweighting import REWEIGHTER

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar

AS_OF = "as_of"  # key of a task: the date as of which it is trained, of which it is no part
WARM_START = "warm_start"  # key of a task: fingerprint of the one whose model it starts from
# key of a task: how many sessions a generator cut before the test segment, so that no label of the
# others is known later; the segments are its part of the task, this is not
TRUNC_DAYS = "trunc_days"
Task = dict[str, Any]
_PARTS = {"model", "dataset", "record"}
ORDER = ("train", "valid", "test")


def validate_task(
    task: Any, *, resolve: bool = False, calendar: TradingCalendar | None = None
) -> None:
    """Check a task before any work is done with it.

    Args:
        task: ``{"model": ..., "dataset": ..., "record": [...]}``; each part is
            ``{"class", "module_path", "kwargs"}``, a dotted path, or a ready object. Further
            keys are left to whoever put them there.
        resolve: Also import the classes that are named.
        calendar: Also check that the segments fit it and that the test segment has a session.

    Raises:
        TaskError: Something is wrong; the message holds the path of the key.
    """
    if not isinstance(task, Mapping):
        raise TaskError(f"a task is a dict with 'model' and 'dataset', not {type(task).__name__}")
    for part in ("model", "dataset"):
        if task.get(part) is None:
            raise TaskError(f"{part} is missing: a task needs 'model' and 'dataset'")
        _check_part(task[part], part, resolve)
    records = task.get("record")
    if records is not None:
        is_list = isinstance(records, (list, tuple))
        for position, record in enumerate(records if is_list else [records]):
            part = record_config(record, task)
            _check_part(part, f"record.{position}" if is_list else "record", resolve)
    known = {*_PARTS, REWEIGHTER}
    for key in map(str, set(task) - known):
        close = get_close_matches(key.lower(), known, n=1, cutoff=0.8)
        if close:
            raise TaskError(f"{key} is no part of a task: did you mean {close[0]!r}?")
    segments = _get_segments(task)
    if segments is not None:
        _check_segments(segments, calendar)


def record_config(record: Any, task: Mapping[str, Any]) -> Any:
    """The configuration of a record; in a task of Qlib's, a bare name is one of Qlib's records."""
    config = {"class": record} if isinstance(record, str) else record
    if not isinstance(config, Mapping) or config.get("module_path"):
        return record
    name = config.get("class")
    bare = isinstance(name, str) and "." not in name
    parts = {part: task.get(part) for part in ("model", "dataset")}
    if bare and any(module.partition(".")[0] == "qlib" for module in modules_named(parts)):
        return {**config, "module_path": "qlib.workflow.record_temp"}
    return record


def _check_part(part: Any, where: str, resolve: bool) -> None:
    if part is None or isinstance(part, (bool, int, float, list, tuple)):
        raise TaskError(f"{where} is {part!r}: use a dict with 'class', or a dotted path")
    if not isinstance(part, (str, Mapping)):
        return  # a ready object
    read_name(part, where=where)
    if isinstance(part, Mapping):
        _check_keys(part, where)
    if resolve:
        find_class(part, where=where)


def _check_keys(part: Mapping[str, Any], where: str) -> None:
    unknown = set(part) - {"class", "func", "module_path", "kwargs"}
    if unknown:
        raise TaskError(
            f"{where}.{min(map(str, unknown))} is unknown: use 'class', 'module_path', 'kwargs'"
        )
    module = part.get("module_path")
    if module is not None and not isinstance(module, str):
        raise TaskError(f"{where}.module_path is {module!r}: use the name of a module")
    kwargs = part.get("kwargs")
    if kwargs is None:
        return
    if not isinstance(kwargs, Mapping):
        raise TaskError(f"{where}.kwargs is {kwargs!r}: use a dict of keyword arguments")
    for key in kwargs:
        if not isinstance(key, str):
            raise TaskError(f"{where}.kwargs has the key {key!r}: arguments have names")


def _get_segments(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    dataset = task["dataset"]
    if not isinstance(dataset, Mapping):
        return None
    kwargs = dataset.get("kwargs") or {}
    if "segments" not in kwargs:
        return None
    segments = kwargs["segments"]
    if not isinstance(segments, Mapping) or not segments:
        raise TaskError(
            f"dataset.kwargs.segments is {segments!r}: use a dict such as "
            "{'train': (start, end), 'test': (start, end)}"
        )
    return segments


def _check_segments(segments: Mapping[str, Any], calendar: TradingCalendar | None) -> None:
    parsed: dict[str, tuple[Any, Any]] = {}
    for name, segment in segments.items():
        where = f"dataset.kwargs.segments.{name}"
        try:
            parsed[name] = start, end = split_segment(segment)
            first, last = (None if x is None else read_moment(x) for x in (start, end))
        except CalendarError as error:
            raise TaskError(f"{where}: {error}") from None
        if first is not None and last is not None and first > _last_moment(last):
            raise TaskError(
                f"{where} starts {format_moment(first)}, after its end {format_moment(last)}"
            )
        if calendar is not None:
            _check_on_calendar(where, start, end, calendar)
    names = [name for name in ORDER if name in parsed]
    for before, after in combinations(names, 2):
        end, start = parsed[before][1], parsed[after][0]
        if start is None or end is None or _overlap(end, start, calendar):
            ends = "is open" if end is None else f"ends {format_moment(read_moment(end))}"
            starts = "at the beginning" if start is None else format_moment(read_moment(start))
            raise TaskError(
                f"dataset.kwargs.segments.{before} {ends}, but {after} starts {starts}: "
                "segments must follow one another without overlap"
            )


def _last_moment(stamp: datetime) -> datetime:
    """The last moment that an end may mean, which without a time of day is a day."""
    return end_of_day(stamp) if is_midnight(stamp) else stamp


def _overlap(end: Any, start: Any, calendar: TradingCalendar | None) -> bool:
    """Whether a segment with this end reaches into one with this start."""
    last = end_of_day(read_moment(end)) if names_day(end) else read_moment(end)
    if last >= read_moment(start):
        return True
    # what is two moments of a day is one session where sessions are days
    return calendar is not None and calendar.index(end, "end") >= calendar.index(start)


def _check_on_calendar(where: str, start: Any, end: Any, calendar: TradingCalendar) -> None:
    outside = (start is not None and calendar.index(start) == len(calendar)) or (
        end is not None and calendar.index(end, "end") < 0
    )
    ends = ["open" if x is None else format_moment(read_moment(x)) for x in (start, end)]
    if outside:
        first, last = calendar.sessions[0], calendar.sessions[-1]
        raise TaskError(
            f"{where} ({' to '.join(ends)}) is outside the calendar, which runs from "
            f"{format_moment(first)} to {format_moment(last)}"
        )
    if len(calendar.between(start, end)) == 0:
        raise TaskError(f"{where} from {ends[0]} to {ends[1]} holds no session")
