"""Datasets, whoever's class they are of: made, filled again, computed ahead."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from wf_dagster.qlib_bridge import has_qlibs_dataset, is_qlib, prepare
from wf_dagster.tasks import init_instance


def make_dataset(task: Mapping[str, Any]) -> Any:
    """The dataset of a task."""
    if has_qlibs_dataset(task):
        from wf_dagster.qlib_bridge import datasets

        return datasets.make_dataset(task["dataset"])
    return init_instance(task["dataset"], where="dataset")


def reload_dataset(dataset: Any, moving: bool = False) -> None:
    """Read the data of a dataset that was loaded from a recorder, as they are now.

    Args:
        dataset: The dataset.
        moving: Its dates were set, and will be again as sessions pass.
    """
    if is_qlib(type(dataset)):
        from wf_dagster.qlib_bridge import datasets, session

        session.ensure()  # a process that has never trained only knows the class
        datasets.reload(dataset, moving)
    else:
        dataset.setup_data()


def warm(tasks: Sequence[Mapping[str, Any]], spread: Any = None) -> float | None:
    """Compute what the datasets of tasks share; the seconds it took, ``None`` if nothing is shared.

    Args:
        tasks: Taken to be rolls of one template.
        spread: ``spread(function, items)`` calls a function for each of many items, in several
            processes; default this one does it all.
    """
    prepare(tasks[0])
    if has_qlibs_dataset(tasks[0]):
        from wf_dagster.qlib_bridge import datasets

        return datasets.warm([task["dataset"] for task in tasks], spread)
    started = time.perf_counter()
    dataset = init_instance(tasks[0]["dataset"], where="dataset")
    if not hasattr(dataset, "warm"):
        return None
    dataset.warm()
    return time.perf_counter() - started


def most_together(tasks: Sequence[Mapping[str, Any]]) -> int | None:
    """How many rolls may be in work at once so that they hold one copy of what they share.

    Args:
        tasks: Taken to be rolls of one template.

    Returns:
        ``None`` where it is not known.
    """
    prepare(tasks[0])
    if not has_qlibs_dataset(tasks[0]):
        return None
    from wf_dagster.qlib_bridge import memory_limit as sizes

    return sizes.most_together([task["dataset"] for task in tasks])
