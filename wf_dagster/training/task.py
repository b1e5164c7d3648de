"""Train one task into one recorder."""

from __future__ import annotations

import copy
import inspect
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, time
from time import perf_counter
from typing import TYPE_CHECKING, Any

from wf_dagster.data.adapters import DatasetAdapter, adapter_of
from wf_dagster.errors import TaskError, TrainingError
from wf_dagster.market import Market
from wf_dagster.settings import get_settings, replayed
from wf_dagster.tasks import (
    AS_OF,
    WARM_START,
    fill_placeholders,
    fingerprint,
    init_instance,
    modules_named,
    record_config,
    validate_task,
)
from wf_dagster.tracking import R, find_recorders

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

DATA_UNTIL = "data_until"  # tag: the last session with prices that the training saw
REPLAYED_AT = "replayed_at"  # tag: the replay date as of which a delayed training is to be done


def task_train(
    task_config: Mapping[str, Any],
    experiment_name: str | None = None,
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
        experiment_name: MLflow experiment; made when it is not there; default ``"Experiment"``.
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
    task, as_of, adapter = _checked(task_config)
    with (
        _replaying(as_of),
        R.start(
            experiment_name=experiment_name,
            recorder_name=recorder_name,
            parent_run_id=parent_run_id,
            tags={**(tags or {}), **_identity(task)},
        ),
    ):
        recorder: Recorder = R.get_recorder()
        _describe(task, recorder)
        _execute(task, adapter, recorder)
    return recorder


def begin_task_train(
    task_config: Mapping[str, Any],
    experiment_name: str | None = None,
    recorder_name: str | None = None,
    *,
    parent_run_id: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Recorder:
    """Make the recorder of a task and leave the training to :func:`end_task_train`.

    Args:
        task_config: As for :func:`task_train`, like the other parameters.
        experiment_name: MLflow experiment; made when it is not there.
        recorder_name: Name of the run.
        parent_run_id: MLflow run that the recorder becomes a child of.
        tags: Further tags of the recorder.

    Returns:
        A recorder that is ``SCHEDULED`` until it is trained, and holds the object ``task``.

    Raises:
        TaskError: The definition is malformed; no run is made.
    """
    task, as_of, _ = _checked(task_config)
    with _replaying(as_of):
        as_of = get_settings().replay_date()
    experiment = R.get_exp(experiment_name=experiment_name)
    recorder = experiment.create_recorder(
        recorder_name,
        parent_run_id=parent_run_id,
        tags={**(tags or {}), **_identity(task), **({REPLAYED_AT: as_of} if as_of else {})},
    )
    _describe(task, recorder)
    return recorder


def end_task_train(
    rec: Recorder,
    experiment_name: str | None = None,
    *,
    tags: Mapping[str, str] | None = None,
) -> Recorder:
    """Train the task that :func:`begin_task_train` left in a recorder.

    Args:
        rec: The recorder.
        experiment_name: Its experiment; it knows it itself.
        tags: Further tags it gets.

    Returns:
        The recorder, ``FINISHED``.

    Raises:
        ObjectNotFoundError: It holds no ``task``.
        ExperimentNotFoundError: ``experiment_name`` is another experiment than its own.
    """
    task, _, adapter = _checked(rec.load_object("task"))
    if experiment_name is not None:
        R.get_exp(experiment_name=experiment_name, create=False).get_recorder(recorder_id=rec.id)
    with (
        _replaying(rec.list_tags().get(REPLAYED_AT, "")),
        R.start(experiment_id=rec.experiment_id, recorder_id=rec.id),
    ):
        recorder: Recorder = R.get_recorder()
        recorder.trusted |= set(modules_named(task))
        recorder.set_tags(**{**(tags or {}), "hostname": socket.gethostname()})
        _execute(task, adapter, recorder)
    return recorder


def _checked(task_config: Mapping[str, Any]) -> tuple[dict[str, Any], str, DatasetAdapter]:
    """A copy of the task, the date as of which it is to be trained, if any, and its adapter."""
    task = copy.deepcopy(dict(task_config))
    as_of = task.pop(AS_OF, "")
    validate_task(task)
    adapter = adapter_of(task, Market())
    adapter.prepare()
    validate_task(task, resolve=True)
    return task, as_of, adapter


def _replaying(as_of: str) -> AbstractContextManager[None]:
    return replayed(as_of) if as_of else nullcontext()


def _identity(task: Mapping[str, Any]) -> dict[str, str]:
    return {"fingerprint": fingerprint(task), "hostname": socket.gethostname()}


def _describe(task: Mapping[str, Any], recorder: Recorder) -> None:
    recorder.trusted |= set(modules_named(task))
    recorder.log_params(**dict(_flat(task)))
    recorder.save_objects(task=task)


def _execute(task: Mapping[str, Any], adapter: DatasetAdapter, recorder: Recorder) -> None:
    model = init_instance(task["model"], where="model")
    dataset = adapter.make_dataset()
    started = perf_counter()
    adapter.fit(model, dataset, **_fit_arguments(model, task, recorder))
    recorder.log_metrics(fit_seconds=perf_counter() - started)
    if hasattr(dataset, "last_session"):
        recorder.set_tags(**{DATA_UNTIL: f"{dataset.last_session():%Y-%m-%d}"})
    recorder.save_objects(**{"params.pkl": model, "dataset": dataset})
    generate_records(task, adapter, model, dataset, recorder)


def _fit_arguments(model: Any, task: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """What the model's ``fit`` gets beside the dataset.

    A ``reweighter`` of the task goes to it, and for a warm start the model of the roll before.
    """
    arguments = {}
    if task.get("reweighter") is not None:
        arguments["reweighter"] = task["reweighter"]
    if task.get(WARM_START):
        arguments["init_model"] = _model_before(task, recorder)
    for name in set(arguments) - set(inspect.signature(model.fit).parameters):
        raise TaskError(
            f"{WARM_START if name == 'init_model' else name}: {type(model).__name__}.fit takes no "
            f"{name!r}; leave it out of the task, or use a model whose fit has that parameter"
        )
    return arguments


def _model_before(task: Mapping[str, Any], recorder: Recorder) -> Any:
    wanted = str(task[WARM_START])
    experiment = R.get_exp(experiment_id=recorder.experiment_id)
    for found in find_recorders(experiment.name, tags={"fingerprint": wanted}):
        found.trusted |= set(modules_named(task))
        return found.load_object("params.pkl")
    raise TrainingError(
        f"the model that this roll starts from (fingerprint {wanted[:12]}…) was not trained in "
        f"experiment {experiment.name!r}: train the roll before it first"
    )


def generate_records(
    task: Mapping[str, Any], adapter: DatasetAdapter, model: Any, dataset: Any, recorder: Recorder
) -> None:
    """Compute the task's records, in the order in which they stand.

    A record gets ``recorder`` and, where it has parameters of these names or its definition
    asks for them with ``<MODEL>`` and ``<DATASET>``, the fitted model and the dataset.
    """
    records = task.get("record") or []
    known = {"<MODEL>": model, "<DATASET>": dataset, "<PRED>": "<PRED>"}  # that is the record's
    one = isinstance(records, (Mapping, str))
    for position, given in enumerate([records] if one else records):
        where = "record" if one else f"record.{position}"
        config = fill_placeholders(record_config(given, task), known, task=task, where=where)
        adapter.make_record(config, recorder, model, dataset, where=where).generate()


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """``dataset.kwargs.segments.train`` style names; an MLflow name allows no other sign."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
        for position, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{position}")
    else:
        yield path, _shown(value)


def _shown(value: Any) -> Any:
    """Dates as ISO dates, which is how they are written in a template."""
    if isinstance(value, (list, tuple)):
        made = [_shown(inner) for inner in value]
        return made if isinstance(value, list) else tuple(made)
    if isinstance(value, datetime):
        return (value.date() if value.time() == time.min else value).isoformat()
    return value.isoformat() if isinstance(value, date) else value
