"""Train one task into one recorder."""

from __future__ import annotations

import copy
import inspect
import logging
import socket
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from wf_dagster.data.adapters import DatasetAdapter, adapter_of
from wf_dagster.errors import TaskError, TrainingError
from wf_dagster.imports.module_files import place_module_files
from wf_dagster.market import Market
from wf_dagster.moments import format_moment
from wf_dagster.records.recorder_market import MARKET, load_market
from wf_dagster.rolling import RollIdentity
from wf_dagster.rolling.roll_identity import TRAINING_TAG
from wf_dagster.tasks import (
    WARM_START,
    fill_placeholders,
    fingerprint,
    init_instance,
    modules_named,
    record_config,
    validate_task,
)
from wf_dagster.tasks.late_labels import refuse_late_labels
from wf_dagster.tasks.named_parts import check_model, check_parts
from wf_dagster.tasks.reweighting import make_reweighter
from wf_dagster.tasks.schema import BEFORE_TRAINING, REWEIGHTER
from wf_dagster.tasks.signature_book import home_book
from wf_dagster.tracking import R, find_recorders
from wf_dagster.training.task_market import take_market
from wf_dagster.training.task_params import flatten_task

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

DATA_UNTIL = "data_until"  # tag: the last session with prices that the training saw
_INIT_MODEL = "init_model"  # argument of a model's fit
_log = logging.getLogger(__name__)
REPLAYED_AT = "replayed_at"  # tag: the replay date as of which a delayed training is to be done


def task_train(
    task_config: Mapping[str, Any],
    experiment_name: str | None = None,
    recorder_name: str | None = None,
    *,
    parent_run_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    market: Market | None = None,
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
        market: What it is trained on; default the one that the task carries, else that of the
            settings.

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
    task, market, adapter = _prepare_task(task_config, market)
    with R.start(
        experiment_name=experiment_name,
        recorder_name=recorder_name,
        parent_run_id=parent_run_id,
        tags={**(tags or {}), **_identity(task, market)},
    ):
        recorder: Recorder = R.get_recorder()
        _describe(task, market, recorder)
        _execute(task, adapter, recorder)
    return recorder


def begin_task_train(
    task_config: Mapping[str, Any],
    experiment_name: str | None = None,
    recorder_name: str | None = None,
    *,
    parent_run_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    market: Market | None = None,
) -> Recorder:
    """Make the recorder of a task and leave the training to :func:`end_task_train`.

    Args:
        task_config: As for :func:`task_train`, like the other parameters.
        experiment_name: MLflow experiment; made when it is not there.
        recorder_name: Name of the run.
        parent_run_id: MLflow run that the recorder becomes a child of.
        tags: Further tags of the recorder.
        market: What it is to be trained on, as of its replay date.

    Returns:
        A recorder that is ``SCHEDULED`` until it is trained, and holds the object ``task``.

    Raises:
        TaskError: The definition is malformed; no run is made.
    """
    task, market, _ = _prepare_task(task_config, market)
    as_of = market.as_of
    delayed = {} if as_of is None else {REPLAYED_AT: f"{as_of:%Y-%m-%d}"}
    experiment = R.get_exp(experiment_name=experiment_name)
    recorder = experiment.create_recorder(
        recorder_name,
        parent_run_id=parent_run_id,
        tags={**(tags or {}), **_identity(task, market), **delayed},
    )
    _describe(task, market, recorder)
    return recorder


def end_task_train(
    rec: Recorder,
    experiment_name: str | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    market: Market | None = None,
) -> Recorder:
    """Train the task that :func:`begin_task_train` left in a recorder.

    Args:
        rec: The recorder.
        experiment_name: Its experiment; it knows it itself.
        tags: Further tags it gets.
        market: What it is trained on, not later than when it was begun; default what it holds,
            else that of the settings.

    Returns:
        The recorder, ``FINISHED``.

    Raises:
        ObjectNotFoundError: It holds no ``task``.
        ExperimentNotFoundError: ``experiment_name`` is another experiment than its own.
    """
    market = find_begun_market(rec, market)
    task, market, adapter = _prepare_task(rec.load_object("task"), market)
    if experiment_name is not None:
        R.get_exp(experiment_name=experiment_name, create=False).get_recorder(recorder_id=rec.id)
    with R.start(experiment_id=rec.experiment_id, recorder_id=rec.id):
        recorder: Recorder = R.get_recorder()
        recorder.trust([*modules_named(task), *market.modules])
        recorder.set_tags(**{**(tags or {}), "hostname": socket.gethostname()})
        _execute(task, adapter, recorder)
    return recorder


def _prepare_task(
    task_config: Mapping[str, Any], market: Market | None
) -> tuple[dict[str, Any], Market, DatasetAdapter]:
    """A copy of the task, checked, without the market that it may carry; and that market."""
    task, carried = take_market(task_config)
    task = place_module_files(copy.deepcopy(task))
    validate_task(task)
    market = Market.of(market or carried)
    adapter = adapter_of(task, market)
    adapter.prepare()
    check_parts(task, home_book().look_up)
    validate_task(task, resolve=True)  # and that what they need is installed
    make_reweighter(task.get(REWEIGHTER))
    return task, market, adapter


def find_begun_market(recorder: Recorder, market: Market | None = None) -> Market:
    """The market as it was seen when a delayed training was begun; default the recorder's own."""
    return (market or load_market(recorder)).at(recorder.list_tags().get(REPLAYED_AT))


def _identity(task: Mapping[str, Any], market: Market) -> dict[str, str]:
    return {
        "fingerprint": fingerprint(task),
        **RollIdentity.of(task, market).tags(),
        "hostname": socket.gethostname(),
    }


def _describe(task: Mapping[str, Any], market: Market, recorder: Recorder) -> None:
    recorder.trust([*modules_named(task), *market.modules])
    recorder.log_params(**dict(flatten_task(task)))
    objects: dict[str, Any] = {"task": task}
    if not market.is_default:
        objects[MARKET] = market.without_as_of()
    recorder.save_objects(**objects)


def _execute(task: Mapping[str, Any], adapter: DatasetAdapter, recorder: Recorder) -> None:
    model = init_instance(task["model"], where="model")
    check_model(model)
    dataset = adapter.make_dataset()
    adapter.check_features(dataset)
    refuse_late_labels(task, adapter.find_late_labels(dataset))
    started = perf_counter()
    adapter.fit(model, dataset, **_fit_arguments(model, task, recorder))
    recorder.log_metrics(fit_seconds=perf_counter() - started)
    if hasattr(dataset, "last_session"):
        recorder.set_tags(**{DATA_UNTIL: format_moment(dataset.last_session())})
    recorder.save_objects(**{"params.pkl": model, "dataset": dataset})
    generate_records(task, adapter, model, dataset, recorder)


def _fit_arguments(model: Any, task: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """What the model's ``fit`` gets beside the dataset.

    A ``reweighter`` of the task goes to it, unless it takes none, as in Qlib; and for a warm start
    the model of the roll before.
    """
    arguments = {}
    if task.get(REWEIGHTER) is not None:
        if _takes(model.fit, REWEIGHTER):
            arguments[REWEIGHTER] = make_reweighter(task[REWEIGHTER])
        else:
            _log.warning(
                "%s.fit takes no %r: it is left out, and all samples have the same weight; use a "
                "model whose fit has that parameter",
                *(type(model).__name__, REWEIGHTER),
            )
    if task.get(WARM_START):
        if not _takes(model.fit, _INIT_MODEL):
            raise TaskError(
                f"{WARM_START}: {type(model).__name__}.fit takes no {_INIT_MODEL!r}; leave it out "
                "of the task, or use a model whose fit has that parameter"
            )
        arguments[_INIT_MODEL] = _model_before(task, recorder)
    return arguments


def _takes(function: Any, name: str) -> bool:
    """Whether a function takes a keyword argument of that name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _model_before(task: Mapping[str, Any], recorder: Recorder) -> Any:
    wanted = str(task[WARM_START])
    experiment = R.get_exp(experiment_id=recorder.experiment_id)
    # its records or its test window may be others since; what it has learnt is not
    for tag, value in ((TRAINING_TAG, task.get(BEFORE_TRAINING)), ("fingerprint", wanted)):
        for before in find_recorders(experiment.name, tags={tag: str(value)}) if value else ():
            before.trust(modules_named(task))
            return before.load_object("params.pkl")
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
    # <PRED> is the record's to fill
    values = {"<MODEL>": model, "<DATASET>": dataset, "<PRED>": "<PRED>"}
    is_single = isinstance(records, (Mapping, str))
    for position, record in enumerate([records] if is_single else records):
        where = "record" if is_single else f"record.{position}"
        config = fill_placeholders(record_config(record, task), values, task=task, where=where)
        adapter.make_record(config, recorder, model, dataset, where=where).generate()
