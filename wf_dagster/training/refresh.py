"""Predict again with a model that was trained before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.interop import prepare
from wf_dagster.tasks import modules_named
from wf_dagster.training.datasets import reload_dataset
from wf_dagster.training.task import generate_records

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder


def refresh_recorder(recorder: Recorder, task: Mapping[str, Any] | None = None) -> None:
    """Compute a recorder's records again, on the prices as they are now.

    The model and the processors stay as they were fitted; only predictions, labels and what
    is derived from them change. Objects are replaced one by one, so a reader sees the old
    frame or the new one.

    Args:
        recorder: A finished recorder that holds ``task``, ``params.pkl`` and ``dataset``.
        task: Its task as the caller defines it: classes of the modules it names are loaded without
            being asked for. Default the one it holds, which is not trusted so far.

    Raises:
        ObjectNotFoundError: One of the three is missing.
    """
    if task is None:
        task = recorder.load_object("task")
    else:
        recorder.trusted |= set(modules_named(task))
    prepare(task)
    model = recorder.load_object("params.pkl")
    dataset = recorder.load_object("dataset")
    reload_dataset(dataset)
    generate_records(task, model, dataset, recorder)
