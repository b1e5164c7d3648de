"""What a task must look like; each complaint names the path of the wrong key."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import TaskError
from wf_dagster.imports.module_files import is_own_module
from wf_dagster.log_once import warn_once
from wf_dagster.tasks.config import check_extra, class_path, find_class, read_name
from wf_dagster.tasks.modules import modules_named
from wf_dagster.tasks.segment_checks import SEGMENTS, find_segment_mistakes

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar

AS_OF = "as_of"  # key of a task: the date as of which it is trained, of which it is no part
WARM_START = "warm_start"  # key of a task: fingerprint of the one whose model it starts from
# key of a task: how many sessions a generator cut before the test segment, so that no label of the
# others is known later; the segments are its part of the task, this is not
TRUNC_DAYS = "trunc_days"
REWEIGHTER = "reweighter"  # key of a task: weights of samples
# key of a task with a warm start: what identifies the training that it goes on from, whatever
# becomes of that task's records and test window; no part of the fingerprint
BEFORE_TRAINING = "warm_start_training"
Task = dict[str, Any]
_PARTS = {"model", "dataset", "record"}
MARKET = "market"  # key of a task, or argument of its dataset: the market that it carries
_KEYS = {*_PARTS, REWEIGHTER, AS_OF, WARM_START, TRUNC_DAYS, BEFORE_TRAINING, MARKET}
_BY_HAND = sorted({*_PARTS, REWEIGHTER})  # those that a person writes
_log = logging.getLogger(__name__)


def validate_task(
    task: Any, *, resolve: bool = False, calendar: TradingCalendar | None = None
) -> None:
    """Check a task before any work is done with it.

    Args:
        task: ``{"model": ..., "dataset": ..., "record": [...]}``; each part is
            ``{"class", "module_path", "kwargs"}``, a dotted path, or a ready object. Further
            keys are left to whoever put them there, and named in the log.
        resolve: Also import the classes that are named.
        calendar: Also check that the segments fit it and that the test segment has a session.

    Raises:
        TaskError: Something is wrong; the message holds the path of the key.
    """
    for mistake in find_form_mistakes(task, resolve=resolve, calendar=calendar):
        raise mistake


def find_form_mistakes(
    task: Any, *, resolve: bool = False, calendar: TradingCalendar | None = None
) -> Iterator[TaskError]:
    """All that :func:`validate_task` complains about.

    Args:
        task: As there, like the other parameters.
        resolve: Also import the classes that are named.
        calendar: Also check that the segments fit it and that the test segment has a session.
    """
    if not isinstance(task, Mapping):
        yield TaskError(f"a task is a dict with 'model' and 'dataset', not {type(task).__name__}")
        return
    for part in ("model", "dataset"):
        if task.get(part) is None:
            yield TaskError(f"{part} is missing: a task needs 'model' and 'dataset'")
        else:
            yield from _check_part(task[part], part, resolve)
    for where, record in list_records(task):
        yield from _check_part(record, where, resolve)
    _warn_of_further_keys(task)
    try:
        segments = get_segments(task)
    except TaskError as error:
        yield error
        return
    if segments is not None:
        may_overlap = not _is_own_dataset(task["dataset"], resolve)
        yield from find_segment_mistakes(segments, calendar, may_overlap=may_overlap)


def find_misspelt_keys(task: Mapping[str, Any]) -> Iterator[TaskError]:
    """Keys of a task that nothing here reads, and that are nearly those of a part."""
    for key, part in _find_further_keys(task):
        if part:
            yield TaskError(f"{key} is no part of a task: did you mean {part!r}?")


def _warn_of_further_keys(task: Mapping[str, Any]) -> None:
    """Say which keys of a task are read by nobody here; a generator of a user's may need them."""
    for key, part in _find_further_keys(task):
        hint = f"did you mean {part!r}?" if part else f"a task has {', '.join(_BY_HAND)}"
        warn_once(_log, f"the key {key!r} of the task is kept, but read by nothing here: {hint}")


def _find_further_keys(task: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys of a task that nothing here reads, and the key that each is near to, if any."""
    for key in sorted(map(str, set(task) - _KEYS)):
        close = get_close_matches(key.lower(), _BY_HAND, n=1, cutoff=0.8)
        yield key, close[0] if close else ""


def _is_own_dataset(dataset: Mapping[str, Any], resolve: bool) -> bool:
    """Whether a dataset is of this project, or derived from one as far as that is known."""
    kind = dataset.get("class", dataset.get("func", ""))
    if isinstance(kind, str) and resolve:
        try:
            kind = find_class(dataset)
        except TaskError:  # which is said of the part
            return False
    if isinstance(kind, str):
        return is_own_module(class_path(dataset))
    return any(is_own_module(base.__module__) for base in getattr(kind, "__mro__", (kind,)))


def list_records(task: Mapping[str, Any], where: str = "record") -> list[tuple[str, Any]]:
    """The configurations of a task's records, each with its path in the task.

    Args:
        task: A task.
        where: What they are called where the user has written them, for messages.
    """
    records = task.get("record")
    if records is None:
        return []
    if not isinstance(records, (list, tuple)):
        return [(where, record_config(records, task))]
    return [(f"{where}.{n}", record_config(record, task)) for n, record in enumerate(records)]


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


def _check_part(part: Any, where: str, resolve: bool) -> Iterator[TaskError]:
    if part is None or isinstance(part, (bool, int, float, list, tuple)):
        yield TaskError(f"{where} is {part!r}: use a dict with 'class', or a dotted path")
        return
    try:
        if not isinstance(part, (str, Mapping)):  # a ready object
            if resolve:
                check_extra(part, where=where)
            return
        read_name(part, where=where)
        if isinstance(part, Mapping):
            _check_keys(part, where)
        if resolve:
            find_class(part, where=where)
    except TaskError as error:
        yield error


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


def get_segments(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The segments of a task; ``None`` where its dataset names none.

    Raises:
        TaskError: They are no dict.
    """
    dataset = task.get("dataset")
    if not isinstance(dataset, Mapping):
        return None
    kwargs = dataset.get("kwargs") or {}
    if "segments" not in kwargs:
        return None
    segments = kwargs["segments"]
    if not isinstance(segments, Mapping) or not segments:
        raise TaskError(
            f"{SEGMENTS} is {segments!r}: use a dict such as "
            "{'train': (start, end), 'test': (start, end)}"
        )
    return segments
