"""Train one task into one recorder."""

from __future__ import annotations

import copy
import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.tasks import (
    fill_placeholders,
    fingerprint,
    init_instance,
    modules_named,
    validate_task,
)
from wf_dagster.tracking import R

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder


def task_train(
    task_config: Mapping[str, Any],
    experiment_name: str,
    recorder_name: str | None = None,
    *,
    parent_run_id: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Recorder:
    """Train a task: fit the model, keep it, and compute the task's records.

    The recorder then holds the objects ``task``, ``params.pkl`` (the fitted model),
    ``dataset`` (its configuration and fitted processors, no data) and what the records save
    (``pred.pkl``, ``label.pkl``, ...). The caller's ``task_config`` is left as it was.

    Args:
        task_config: ``{"model": ..., "dataset": ..., "record": [...]}``.
        experiment_name: MLflow experiment; made when it is not there.
        recorder_name: Name of the run; default ``"mlflow_recorder"``.
        parent_run_id: MLflow run that the recorder becomes a child of.
        tags: Further tags of the recorder.

    Returns:
        The finished recorder.

    Raises:
        TaskError: The definition is malformed; no run is made.

    Example:
        >>> from wf_dagster import init, task_train
        >>> from assets.strategies import ridge_template
        >>> settings = init(home="/tmp/wf-doc")
        >>> recorder = task_train(ridge_template(), "example")  # doctest: +SKIP
    """
    task = copy.deepcopy(dict(task_config))
    validate_task(task, resolve=True)
    identity = fingerprint(task)
    with R.start(
        experiment_name=experiment_name,
        recorder_name=recorder_name,
        parent_run_id=parent_run_id,
        tags={**(tags or {}), "fingerprint": identity, "hostname": socket.gethostname()},
    ):
        recorder: Recorder = R.get_recorder()
        recorder.trusted |= set(modules_named(task))
        recorder.log_params(**dict(_flat(task)))
        recorder.save_objects(task=task)

        model = init_instance(task["model"])
        dataset = init_instance(task["dataset"])
        started = time.perf_counter()
        model.fit(dataset)
        recorder.log_metrics(fit_seconds=time.perf_counter() - started)
        recorder.save_objects(**{"params.pkl": model, "dataset": dataset})

        generate_records(task, model, dataset, recorder)
    return recorder


def generate_records(task: Mapping[str, Any], model: Any, dataset: Any, recorder: Recorder) -> None:
    """Compute the task's records, in the order in which they stand.

    A record gets ``recorder`` and, where it asks for them in its definition with
    ``<MODEL>`` and ``<DATASET>``, the fitted model and the dataset.
    """
    records = task.get("record") or []
    if isinstance(records, (Mapping, str)):
        records = [records]
    for config in records:
        filled = fill_placeholders(config, {"<MODEL>": model, "<DATASET>": dataset}, task=task)
        init_instance(filled, recorder=recorder).generate()


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """``dataset.kwargs.segments.train`` style names; an MLflow name allows no other sign."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
        for position, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{position}")
    else:
        yield path, value
