"""Trainers that share their tasks with workers in other processes and on other machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from wf_dagster.errors import PoolInputError, TaskError, TrainingError
from wf_dagster.pool import TaskManager, run_task
from wf_dagster.progress import progress_bar
from wf_dagster.tasks import WARM_START, modules_named
from wf_dagster.tracking import Recorder
from wf_dagster.training.pool_jobs import PoolJob, carry_market
from wf_dagster.training.pool_results import read_recorders, reset_failed
from wf_dagster.training.pool_tasks import offer_lost, run_pool_tasks
from wf_dagster.training.task import begin_task_train, end_task_train, task_train
from wf_dagster.training.task_market import place_market, take_market
from wf_dagster.training.trainers import (
    STATUS_BEGIN,
    STATUS_END,
    STATUS_KEY,
    Trainer,
    as_recorders,
    as_tasks,
)

DONE = TaskManager.STATUS_DONE
FAILED = TaskManager.STATUS_FAILED
PART_DONE = TaskManager.STATUS_PART_DONE
WAITING = TaskManager.STATUS_WAITING


class TrainerRM(Trainer):
    """Trains tasks into recorders through a task pool, so that each is trained once.

    Any number of workers can help: :meth:`worker` in other processes, ``wf-dagster worker`` on
    other machines. A definition that the pool has seen done before is not trained again, unless its
    recorder was deleted.

    Args:
        experiment_name: MLflow experiment.
        task_pool: Name of the pool; default that of the experiment.
        train_func: ``train_func(task, experiment_name=..., recorder_name=..., **kwargs)`` gives
            a recorder. :func:`task_train` runs in worker processes (setting ``max_workers``), a
            function of your own here, for one task after the other.
        skip_run_task: Leave all the training to workers.
        default_rec_name: Name of the recorders.
        url: The pool's store; default the setting ``task_store``.
    """

    STATUS_KEY = STATUS_KEY
    STATUS_BEGIN = STATUS_BEGIN
    STATUS_END = STATUS_END
    TM_ID = "_id in TaskManager"

    def __init__(
        self,
        experiment_name: str | None = None,
        task_pool: str | None = None,
        train_func: Callable[..., Recorder] = task_train,
        skip_run_task: bool = False,
        default_rec_name: str | None = None,
        *,
        url: str | None = None,
    ) -> None:
        super().__init__()
        self.experiment_name = experiment_name
        self.task_pool = task_pool
        self.train_func = train_func
        self.skip_run_task = skip_run_task
        self.default_rec_name = default_rec_name
        self.url = url

    def train(
        self,
        tasks: Any,
        train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
        before_status: str = WAITING,
        after_status: str = DONE,
        default_rec_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Put tasks into the pool, train what nobody else has claimed, and wait for the rest.

        Args:
            tasks: A task definition, or a list of them.
            train_func: Another function than the trainer's.
            experiment_name: Another experiment than the trainer's.
            before_status: Status of the tasks to train: ``waiting`` or ``part_done``.
            after_status: Their status afterwards.
            default_rec_name: Name of the recorders.
            **kwargs: Further arguments of the function.

        Returns:
            A recorder a task, in the order of the tasks, with the tags ``train_status`` and
            ``_id in TaskManager``.

        Raises:
            TaskError: A definition is malformed; nothing was trained.
            TrainingError: Tasks failed in all their attempts; the others are trained, see its
                ``trained``.
        """
        tasks = as_tasks(tasks, train_func or self.train_func)
        if not tasks:
            return []
        if any(task.get(WARM_START) for task in tasks):
            raise TaskError(
                f"{WARM_START}: tasks that start from one another's models follow one another, so "
                "workers cannot share them; use TrainerR"
            )
        experiment = experiment_name or self.experiment_name
        pool = self._open_pool(experiment)
        ids = pool.create_task([carry_market(*take_market(task)) for task in tasks])
        reset_failed(pool, ids, before_status)
        offer_lost(pool, {"_id": {"$in": ids}})
        self._finish_tasks(
            pool,
            ids,
            train_func or self.train_func,
            before_status,
            after_status,
            self.skip_run_task,
            experiment_name=experiment,
            recorder_name=default_rec_name or self.default_rec_name,
            **kwargs,
        )
        recorders = read_recorders(pool, ids)
        for task_id, task, recorder in zip(ids, tasks, recorders, strict=True):
            recorder.trust(modules_named(task))
            tags = recorder.list_tags()
            new = {self.TM_ID: task_id}
            if tags.get(STATUS_KEY) != STATUS_END:
                new[STATUS_KEY] = STATUS_BEGIN
            if any(tags.get(key) != value for key, value in new.items()):
                recorder.set_tags(**new)
        return recorders

    def end_train(self, recs: Any, **kwargs: Any) -> list[Recorder]:
        """Tag recorders as trained.

        Args:
            recs: A recorder, or a list of them.
            **kwargs: Not used.

        Returns:
            The recorders.
        """
        recorders = as_recorders(recs)
        for recorder in recorders:
            recorder.set_tags(**{STATUS_KEY: STATUS_END})
        return recorders

    def has_worker(self) -> bool:
        """Yes: other processes can help with :meth:`worker`."""
        return True

    def worker(
        self,
        train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
    ) -> None:
        """Train what waits in the pool, until there is nothing; ``train`` runs elsewhere.

        Args:
            train_func: Another function than the trainer's.
            experiment_name: Another experiment than the trainer's.
        """
        self._run_as_worker(train_func or self.train_func, experiment_name, WAITING)

    def _run_as_worker(
        self, function: Callable[..., Recorder], experiment: str | None, before: str
    ) -> None:
        experiment = experiment or self.experiment_name
        pool = self._open_pool(experiment)
        self._run_tasks(pool, None, function, before, DONE, experiment_name=experiment)

    def _open_pool(self, experiment: str | None) -> TaskManager:
        name = self.task_pool or experiment
        if not name:
            raise PoolInputError(
                f"{type(self).__name__} has no pool: give experiment_name or task_pool"
            )
        return TaskManager(name, self.url)

    def _finish_tasks(
        self,
        pool: TaskManager,
        ids: Sequence[str],
        function: Callable[..., Recorder],
        before_status: str,
        after_status: str,
        by_others: bool,
        **kwargs: Any,
    ) -> None:
        """Do the tasks that nobody holds, and those that come back from a worker that died."""
        query = {"_id": {"$in": list(ids)}}
        ends = (after_status, DONE, FAILED)
        if by_others:
            pool.wait(query, until=ends)
            return
        while True:
            self._run_tasks(pool, ids, function, before_status, after_status, **kwargs)
            pool.wait(query, until=(*ends, before_status))
            if not pool.task_stat(query).get(before_status):
                return

    def _run_tasks(
        self,
        pool: TaskManager,
        ids: Sequence[str] | None,
        function: Callable[..., Recorder],
        before_status: str,
        after_status: str,
        **kwargs: Any,
    ) -> None:
        query = None if ids is None else {"_id": {"$in": list(ids)}}
        own_function = end_task_train if before_status == PART_DONE else task_train
        if function is not own_function or set(kwargs) - {"experiment_name", "recorder_name"}:
            if kwargs.get("recorder_name") is None:
                kwargs.pop("recorder_name", None)
            run_task(
                _on_its_market(function) if before_status == WAITING else function,
                pool,
                query,
                before_status=before_status,
                after_status=after_status,
                **kwargs,
            )
            return
        job = PoolJob(pool, query, before_status, after_status, **kwargs)
        total = sum(pool.task_stat(query).get(s, 0) for s in (before_status, pool.STATUS_RUNNING))
        if not total:
            return
        with progress_bar(f"pool {pool.task_pool}", total) as update:
            attempts = run_pool_tasks(job, wait_for_others=ids is not None)
            for done, _ in enumerate((a for a in attempts if a.ok), 1):
                update(done, None)


class DelayTrainerRM(TrainerRM):
    """As :class:`TrainerRM`, but ``train`` only makes ``SCHEDULED`` recorders; ``end_train`` fits.

    Args:
        experiment_name: MLflow experiment.
        task_pool: Name of the pool; default that of the experiment.
        train_func: What ``train`` does with a task.
        end_train_func: ``end_train_func(recorder, experiment_name=..., **kwargs)`` does the
            fitting.
        skip_run_task: Leave the fitting to workers; the preparation is done here.
        **kwargs: As for :class:`TrainerRM`.
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        task_pool: str | None = None,
        train_func: Callable[..., Recorder] = begin_task_train,
        end_train_func: Callable[..., Recorder] = end_task_train,
        skip_run_task: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(experiment_name, task_pool, train_func, **kwargs)
        self.end_train_func = end_train_func
        self.delay = True
        self.skip_end = skip_run_task

    def train(  # type: ignore[override]  # the statuses are its own business
        self,
        tasks: Any,
        train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Put tasks into the pool and make their recorders; their status is ``part_done`` then.

        Args:
            tasks: A task definition, or a list of them.
            train_func: Another function than the trainer's.
            experiment_name: Another experiment than the trainer's.
            **kwargs: Further arguments of the function.

        Returns:
            A recorder a task, in the order of the tasks.
        """
        return super().train(tasks, train_func, experiment_name, after_status=PART_DONE, **kwargs)

    def end_train(
        self,
        recs: Any,
        end_train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
        **kwargs: Any,
    ) -> list[Recorder]:
        """Fit the models of recorders, with the help of workers, and wait until all are done.

        Args:
            recs: A recorder that ``train`` gave, or a list of them.
            end_train_func: Another function than the trainer's.
            experiment_name: Another experiment than the trainer's.
            **kwargs: Further arguments of the function.

        Returns:
            The recorders, in their order.

        Raises:
            TrainingError: A recorder is not from a pool; or tasks failed in all their attempts.
        """
        recs = as_recorders(recs)
        if not recs:
            return []
        ids = [self._task_id(recorder) for recorder in recs]
        experiment = experiment_name or self.experiment_name
        pool = self._open_pool(experiment)
        reset_failed(pool, ids, PART_DONE)
        self._finish_tasks(
            pool,
            ids,
            end_train_func or self.end_train_func,
            PART_DONE,
            DONE,
            self.skip_end,
            experiment_name=experiment,
            **kwargs,
        )
        ended = super().end_train(read_recorders(pool, ids))
        for before, recorder in zip(recs, ended, strict=True):
            recorder.trust(before.trusted)
        return ended

    def worker(
        self,
        end_train_func: Callable[..., Recorder] | None = None,
        experiment_name: str | None = None,
    ) -> None:
        """Fit what is ``part_done`` in the pool, until there is nothing.

        Args:
            end_train_func: Another function than the trainer's.
            experiment_name: Another experiment than the trainer's.
        """
        self._run_as_worker(end_train_func or self.end_train_func, experiment_name, PART_DONE)

    def _task_id(self, recorder: Recorder) -> str:
        try:
            return recorder.list_tags()[self.TM_ID]
        except KeyError:
            raise TrainingError(
                f"recorder {recorder.id} has no tag {self.TM_ID!r}: only recorders that `train` "
                "of a DelayTrainerRM gave can be finished here"
            ) from None


def _on_its_market(function: Callable[..., Recorder]) -> Callable[..., Recorder]:
    """A function of the user's that gets tasks whose datasets stand on the market they carry."""

    @wraps(function)
    def train(task: Any, *args: Any, **kwargs: Any) -> Recorder:
        if isinstance(task, Mapping):
            bare, market = take_market(task)
            task = bare if market is None else place_market(bare, market)
        return function(task, *args, **kwargs)

    return train
