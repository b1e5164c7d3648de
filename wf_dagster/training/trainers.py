"""Trainers: a list of tasks in, a list of recorders out, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from wf_dagster.errors import TaskError, TrainingError
from wf_dagster.process import call_in_own_process
from wf_dagster.progress import progress_bar
from wf_dagster.tasks import fingerprint, modules_named, validate_task
from wf_dagster.tracking import R, Recorder
from wf_dagster.training.parallel import run_rolls
from wf_dagster.training.roll_jobs import RollJob, RollOutcome
from wf_dagster.training.task import (
    begin_task_train,
    end_task_train,
    find_begun_market,
    task_train,
)
from wf_dagster.training.task_market import take_market

T = TypeVar("T")
STATUS_KEY = "train_status"
STATUS_BEGIN = "begin_task_train"
STATUS_END = "end_task_train"


class Trainer:
    """Trains tasks in two steps: ``train`` gives models, ``end_train`` finishes them.

    One that delays only prepares in ``train``, and fits in ``end_train``.
    """

    def __init__(self) -> None:
        self.delay = False

    def train(self, tasks: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """Train tasks, or prepare them.

        Args:
            tasks: Task definitions.
            *args: As the trainer takes them.
            **kwargs: As the trainer takes them.

        Returns:
            A model a task, in the order of the tasks.
        """
        raise NotImplementedError  # abstract

    def end_train(self, models: Any, /, *args: Any, **kwargs: Any) -> list[Any]:
        """Finish models that ``train`` gave; the same models."""
        return list(models)

    def is_delay(self) -> bool:
        """Whether the fitting is done by ``end_train``."""
        return self.delay

    def has_worker(self) -> bool:
        """Whether other processes can help with :meth:`worker`."""
        return False

    def worker(self, *args: Any, **kwargs: Any) -> None:
        """Help a trainer that runs in another process."""
        raise TrainingError(f"{type(self).__name__} has no workers: use TrainerRM")

    def __call__(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Both steps."""
        return self.end_train(self.train(*args, **kwargs))


class TrainerR(Trainer):
    """Trains each task into a recorder.

    Tasks are trained side by side in worker processes (setting ``max_workers``), with features
    computed once; a function of your own is called for one task after the other, here. One task
    that fails does not stop the others.

    Args:
        experiment_name: MLflow experiment; default ``"Experiment"``.
        train_func: ``train_func(task, experiment_name, recorder_name=..., **kwargs)`` gives a
            recorder.
        call_in_subproc: Train each task in a new process, which gives all memory back.
        default_rec_name: Name of the recorders.

    Example:
        >>> from wf_dagster import TrainerR
        >>> from assets.strategies import ridge_template
        >>> recorders = TrainerR("example")([ridge_template()])  # doctest: +SKIP
    """

    STATUS_KEY = STATUS_KEY
    STATUS_BEGIN = STATUS_BEGIN
    STATUS_END = STATUS_END

    def __init__(
        self,
        experiment_name: str | None = None,
        train_func: Callable[..., Recorder] = task_train,
        call_in_subproc: bool = False,
        default_rec_name: str | None = None,
    ) -> None:
        super().__init__()
        self.experiment_name = experiment_name
        self.default_rec_name = default_rec_name
        self.train_func = train_func
        self._call_in_subproc = call_in_subproc

    def train(
        self,
        tasks: Any,
        train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Train tasks.

        Args:
            tasks: A task definition, or a list of them.
            train_func: Another function than the trainer's.
            experiment_name: Another experiment than the trainer's.
            **kwargs: Further arguments of the function.

        Returns:
            A recorder a task, in the order of the tasks, with the tag ``train_status``.

        Raises:
            TaskError: A definition is malformed; nothing was trained.
            TrainingError: Tasks failed; the others were trained, see its ``trained``.
        """
        function = train_func or self.train_func
        tasks = as_tasks(tasks, function)
        experiment = experiment_name or self.experiment_name
        if function is task_train and not kwargs and not self._call_in_subproc:
            jobs = [
                RollJob(
                    key=str(position),
                    kind="train",
                    experiment_name=experiment,
                    fingerprint=fingerprint(task),
                    task=task,
                    recorder_name=self.default_rec_name,
                    figures=False,
                    tags={STATUS_KEY: STATUS_BEGIN},
                    market=market,
                )
                for position, (task, market) in enumerate(map(take_market, tasks))
            ]
            return run_in_workers("train tasks", jobs)
        kwargs["recorder_name"] = self.default_rec_name

        def train_task(task: Mapping[str, Any]) -> Recorder:
            recorder = self._call(function, task, experiment, kwargs)
            recorder.set_tags(**{STATUS_KEY: STATUS_BEGIN})
            return recorder

        return run_here("train tasks", train_task, tasks)

    def _call(
        self, function: Callable[..., Recorder], argument: Any, experiment: str | None, kwargs: Any
    ) -> Recorder:
        if self._call_in_subproc:
            recorder: Recorder = call_in_own_process(function, argument, experiment, **kwargs)
            return recorder
        return function(argument, experiment, **kwargs)

    def end_train(self, models: Any, **kwargs: Any) -> list[Recorder]:
        """Tag recorders as trained.

        Args:
            models: A recorder, or a list of them.
            **kwargs: Not used.

        Returns:
            The recorders.
        """
        recorders = as_recorders(models)
        for recorder in recorders:
            recorder.set_tags(**{STATUS_KEY: STATUS_END})
        return recorders


class DelayTrainerR(TrainerR):
    """As :class:`TrainerR`, but ``train`` only makes ``SCHEDULED`` recorders; ``end_train`` fits.

    Args:
        experiment_name: MLflow experiment; default ``"Experiment"``.
        train_func: What ``train`` does with a task.
        end_train_func: ``end_train_func(recorder, experiment_name, **kwargs)`` does the fitting.
        **kwargs: As for :class:`TrainerR`.
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        train_func: Callable[..., Recorder] = begin_task_train,
        end_train_func: Callable[..., Recorder] = end_task_train,
        **kwargs: Any,
    ) -> None:
        super().__init__(experiment_name, train_func, **kwargs)
        self.end_train_func = end_train_func
        self.delay = True

    def end_train(
        self,
        models: Any,
        end_train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Fit the models of recorders; those that are trained stay as they are.

        Args:
            models: A recorder, or a list of them.
            end_train_func: Another function than the trainer's.
            experiment_name: Another experiment than the trainer's.
            **kwargs: Further arguments of the function.

        Returns:
            The recorders, in their order.

        Raises:
            TrainingError: Some failed; the others were trained, see its ``trained``.
        """
        # as they are now: another process may have finished some of them
        models = [R.get_recorder(recorder_id=model.id) for model in as_recorders(models)]
        function = end_train_func or self.end_train_func
        experiment = experiment_name or self.experiment_name
        due = [r for r in models if not _is_trained(r)]
        if function is end_task_train and not kwargs and not self._call_in_subproc:
            jobs = [
                RollJob(
                    key=str(position),
                    kind="end",
                    experiment_name=experiment,
                    fingerprint=recorder.list_tags().get("fingerprint", ""),
                    task=recorder.load_object("task"),
                    recorder_id=recorder.id,
                    figures=False,
                    tags={STATUS_KEY: STATUS_END},
                    market=find_begun_market(recorder),
                )
                for position, recorder in enumerate(due)
            ]
            done = run_in_workers("train models", jobs)
        else:

            def finish_recorder(recorder: Recorder) -> Recorder:
                self._call(function, recorder, experiment, kwargs)
                recorder.set_tags(**{STATUS_KEY: STATUS_END})
                return recorder

            done = run_here("train models", finish_recorder, due)
        fresh = {recorder.id: recorder for recorder in done}
        return [fresh.get(recorder.id, recorder) for recorder in models]


def _is_trained(recorder: Recorder) -> bool:
    # the tag is set before the fitting, which may have failed
    ended = recorder.list_tags().get(STATUS_KEY) == STATUS_END
    return ended and recorder.status == Recorder.STATUS_FI


def as_tasks(tasks: Any, function: Callable[..., Recorder] = task_train) -> list[dict[str, Any]]:
    """A list of tasks, of one or several.

    Args:
        tasks: They.
        function: What trains them. What a function of the user's own takes is its own affair.

    Raises:
        TaskError: One of them is malformed.
    """
    several: list[Any] = [tasks] if isinstance(tasks, Mapping) else list(tasks)
    if function not in (task_train, begin_task_train):
        return several
    for position, task in enumerate(several):
        try:
            validate_task(task, resolve=True)
        except TaskError as error:
            raise TaskError(f"task {position} of {len(several)}: {error}") from None
    return several


def as_recorders(models: Any) -> list[Recorder]:
    """A list of recorders, of one or several."""
    return [models] if isinstance(models, Recorder) else list(models)


def run_in_workers(label: str, jobs: Sequence[RollJob]) -> list[Recorder]:
    """Do jobs in worker processes; the recorders in their order.

    Raises:
        TrainingError: Some failed.
    """
    outcomes = {o.key: o for o in _show_progress(label, run_rolls(jobs), len(jobs))}
    recorders = recorders_of([outcomes[job.key] for job in jobs])
    for job, recorder in zip(jobs, recorders, strict=True):
        recorder.trust(modules_named(job.task or {}))  # as if trained here, not in a worker
    return recorders


def run_here(label: str, function: Callable[[T], Recorder], items: Sequence[T]) -> list[Recorder]:
    """Call a function for each; the recorders in their order.

    Raises:
        TrainingError: Some calls failed.
    """

    def call_each() -> Iterator[Recorder | Exception]:
        for item in items:
            try:
                yield function(item)
            except Exception as error:  # a function of the user's may raise anything
                yield error

    results = list(_show_progress(label, call_each(), len(items)))
    trained = [result if isinstance(result, Recorder) else None for result in results]
    errors = {
        position: f"{type(result).__name__}: {result}"
        for position, result in enumerate(results)
        if isinstance(result, Exception)
    }
    first = next((result for result in results if isinstance(result, Exception)), None)
    return _all_or_error(trained, errors, first)


def recorders_of(outcomes: Sequence[RollOutcome]) -> list[Recorder]:
    """The recorders of outcomes.

    Raises:
        TrainingError: Some of them are failures.
    """
    trained = [
        R.get_recorder(recorder_id=outcome.recorder_id) if outcome.ok else None
        for outcome in outcomes
    ]
    errors = {i: str(outcome.error) for i, outcome in enumerate(outcomes) if not outcome.ok}
    cause = next((TrainingError(o.details) for o in outcomes if o.details), None)
    return _all_or_error(trained, errors, cause)


def _all_or_error(
    trained: Sequence[Recorder | None], errors: Mapping[int, str], cause: Exception | None
) -> list[Recorder]:
    if errors:
        lines = "".join(f"\n- task {position}: {error}" for position, error in errors.items())
        count = f"{len(errors)} of {len(trained)}"
        raise TrainingError(
            f"{count} tasks failed; the others are trained and kept:{lines}",
            trained,
        ) from cause
    return [recorder for recorder in trained if recorder is not None]


def _show_progress(label: str, items: Iterator[T], total: int) -> Iterator[T]:
    with progress_bar(label, total) as update:
        for done, item in enumerate(items, 1):
            update(done, None)
            yield item
