"""Which recorder stands for each roll of a strategy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wf_dagster.errors import WfError
from wf_dagster.market import Market
from wf_dagster.rolling import Roll, Rolls, WantedRoll, same_models
from wf_dagster.tasks import modules_named
from wf_dagster.tasks.segments import parse_segment
from wf_dagster.tracking import MLflowRecorder, find_recorders
from wf_dagster.training import RollRecognition


@dataclass(frozen=True)
class RollRecorders:
    """The recorders of a strategy's rolls.

    Attributes:
        by_key: One a roll: of its present definition, or else the one that serves it.
        others: What served, by the key of a roll that there is no more: sessions that came late,
            or never, have moved the rolls since.
        outdated: Keys of which there are recorders of an earlier definition.
    """

    by_key: dict[str, MLflowRecorder] = field(default_factory=dict)
    others: dict[str, MLflowRecorder] = field(default_factory=dict)
    outdated: set[str] = field(default_factory=set)


def find_roll_recorders(
    experiment_name: str,
    rolls: Rolls,
    serving: Collection[str],
    served: Collection[str] = (),
    market: Market | None = None,
) -> RollRecorders:
    """The newest finished recorder of each roll as it is defined now.

    Only what defines the training counts (see :mod:`wf_dagster.rolling.roll_identity`): a recorder
    stands for its roll also when the end of its test window was not known yet, a session has come
    or gone since, or other records are asked for.

    Args:
        experiment_name: MLflow experiment of the strategy.
        rolls: The rolls that are expected.
        serving: Ids of the recorders that are online.
        served: Ids of those that were.
        market: What the rolls stand on; ``None`` is any.
    """
    recognition = RollRecognition(wanted_rolls(rolls, market))
    trusted = {*modules_named(next(iter(rolls)).task)}
    test_key = next(iter(rolls)).test_key
    chosen = RollRecorders()
    earlier: dict[str, MLflowRecorder] = {}
    for recorder in find_recorders(experiment_name):  # newest first
        roll = recognition.find_roll(recorder)
        if roll is not None:
            chosen.by_key.setdefault(roll.key, recorder)
            continue
        tag = recorder.list_tags().get("roll", "")
        chosen.outdated.add(tag)
        if recorder.id not in {*serving, *served}:
            continue
        task = _load_task(recorder, trusted)
        if task is None:
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


def wanted_rolls(rolls: Iterable[Roll], market: Market | None = None) -> list[WantedRoll]:
    """Rolls, as recorders of theirs are looked for.

    Args:
        rolls: The rolls.
        market: What they stand on; ``None`` is any.
    """
    return [WantedRoll(roll.key, roll.key, roll.task, market) for roll in rolls]


def _load_task(recorder: MLflowRecorder, trusted: set[str]) -> Mapping[str, Any] | None:
    recorder.trusted |= trusted
    try:
        task = recorder.load_object("task")
    except WfError:  # it was not trained from one, or cannot be read any more
        return None
    return task if isinstance(task, Mapping) else None


def _is_alike(task: Mapping[str, Any], rolls: Rolls) -> bool:
    return same_models(task) == same_models(next(iter(rolls)).task)


def _start_of(task: Mapping[str, Any], test_key: str) -> str:
    start = parse_segment(task["dataset"]["kwargs"]["segments"][test_key])[0]
    return "" if start is None else f"{start:%Y-%m-%d}"
