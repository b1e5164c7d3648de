"""Predict again with a model that was trained before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wf_dagster.training.task import generate_records

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder


def refresh_recorder(recorder: Recorder) -> None:
    """Compute a recorder's records again, on the prices as they are now.

    The model and the processors stay as they were fitted; only predictions, labels and what
    is derived from them change. Objects are replaced one by one, so a reader sees the old
    frame or the new one.

    Args:
        recorder: A finished recorder that holds ``task``, ``params.pkl`` and ``dataset``.

    Raises:
        ObjectNotFoundError: One of the three is missing.
    """
    task = recorder.load_object("task")
    model = recorder.load_object("params.pkl")
    dataset = recorder.load_object("dataset")
    dataset.setup_data()
    generate_records(task, model, dataset, recorder)
