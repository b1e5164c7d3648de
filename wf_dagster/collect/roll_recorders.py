"""Which recorder stands for each roll of a strategy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wf_dagster.errors import WfError
from wf_dagster.rolling import Rolls, template_fingerprint, training_fingerprint
from wf_dagster.tasks import fingerprint, modules_named
from wf_dagster.tasks.segments import parse_segment
from wf_dagster.tracking import MLflowRecorder, find_recorders


@dataclass(frozen=True)
class RollRecorders:
    """The recorders of a strategy's rolls.

    Attributes:
        by_key: One a roll: of its present definition, or else the one that serves it.
        others: Those that served, by the key of a roll that there is no more: sessions that
            came late, or never, have moved the rolls since.
        outdated: Keys of which there are recorders of an earlier definition.
    """

    by_key: dict[str, MLflowRecorder] = field(default_factory=dict)
    others: dict[str, MLflowRecorder] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)


def find_roll_recorders(
    experiment_name: str, rolls: Rolls, serving: Collection[str], served: Collection[str] = ()
) -> RollRecorders:
    """The newest finished recorder of each roll as it is defined now.

    Where the test window of a roll ends is no part of what was trained: a recorder stands for its
    roll also when that end was not known yet, or a session has come or gone since.

    Args:
        experiment_name: MLflow experiment of the strategy.
        rolls: The rolls that are expected.
        serving: Ids of the recorders that are online.
        served: Ids of those that were.
    """
    # a fingerprint covers the segments; a trainer outside Dagster gives no tag `roll`
    keys = {fingerprint(roll.task): roll.key for roll in rolls}
    chosen = RollRecorders()
    others: list[MLflowRecorder] = []
    for recorder in find_recorders(experiment_name):  # newest first
        key = keys.get(recorder.list_tags().get("fingerprint", ""))
        if key is None:
            others.append(recorder)
        else:
            chosen.by_key.setdefault(key, recorder)
    missing = {
        training_fingerprint(roll.task, roll.test_key): roll.key
        for roll in rolls
        if roll.key not in chosen.by_key
    }
    earlier: dict[str, MLflowRecorder] = {}
    for recorder, task in _read_tasks(others, rolls, {*missing.values()}, {*serving, *served}):
        tag = recorder.list_tags().get("roll", "")
        test_key = next(iter(rolls)).test_key
        key = None if task is None else missing.get(training_fingerprint(task, test_key))
        if key is not None:
            chosen.by_key.setdefault(key, recorder)
            continue
        chosen.outdated.add(tag)
        if recorder.id not in {*serving, *served} or task is None:
            continue
        own = tag or _start_of(task, test_key)
        if own not in rolls.keys:
            if recorder.id in serving or _is_alike(task, rolls):
                chosen.others.setdefault(own, recorder)
        elif recorder.id in serving:
            earlier.setdefault(own, recorder)
    for key, recorder in earlier.items():
        chosen.by_key.setdefault(key, recorder)
    return chosen


def _read_tasks(
    recorders: list[MLflowRecorder], rolls: Rolls, missing: set[str], served: set[str]
) -> Iterator[tuple[MLflowRecorder, Mapping[str, Any] | None]]:
    """Recorders with their tasks, as far as these can matter."""
    trusted = {*modules_named(next(iter(rolls)).task)}
    for recorder in recorders:
        tag = recorder.list_tags().get("roll")
        can_matter = recorder.id in served or (missing and (tag is None or tag in missing))
        task = None
        if can_matter:
            recorder.trusted |= trusted
            try:
                task = recorder.load_object("task")
            except WfError:  # it was not trained from one, or cannot be read any more
                task = None
        yield recorder, task if isinstance(task, Mapping) else None


def _is_alike(task: Mapping[str, Any], rolls: Rolls) -> bool:
    return template_fingerprint(task) == template_fingerprint(next(iter(rolls)).task)


def _start_of(task: Mapping[str, Any], test_key: str) -> str:
    start = parse_segment(task["dataset"]["kwargs"]["segments"][test_key])[0]
    return "" if start is None else f"{start:%Y-%m-%d}"
