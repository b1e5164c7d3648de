"""Work through a task pool in worker processes, beside whoever else works on it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Any

from wf_dagster.errors import (
    LeaseError,
    PoolError,
    PoolInputError,
    PoolStoreError,
    TaskError,
    TaskNotFoundError,
    TrackingError,
)
from wf_dagster.pool import TaskManager
from wf_dagster.pool.states import FETCHABLE, check_status
from wf_dagster.settings import get_settings
from wf_dagster.tracking import R, StoreError, check_tracking
from wf_dagster.training.parallel import share_features
from wf_dagster.training.roll_jobs import JobKind, RollJob, RollOutcome
from wf_dagster.training.workers import Workers, prepare_workers

_log = logging.getLogger(__name__)
UNREADABLE = "unreadable task"  # the key of an outcome whose task could not be loaded
_PAUSE = 1.0  # seconds between two looks at a pool that has nothing to give
MakeWork = Callable[[Mapping[str, Any]], RollJob]


@dataclass(frozen=True)
class PoolJob:
    """Which tasks of a pool are worked on, and how.

    Attributes:
        pool: The pool.
        query: Only tasks that it finds.
        before_status: ``waiting`` tasks are trained; of ``part_done`` ones the training that
            ``begin_task_train`` left in their recorder is done.
        after_status: The status that a trained task gets.
        experiment_name: MLflow experiment of tasks that name none themselves.
        recorder_name: Name of the recorders of such tasks.
        tags: Further tags of recorders.
        force_release: Use a new process for each task.
    """

    pool: TaskManager
    query: Mapping[str, Any] | None = None
    before_status: str = TaskManager.STATUS_WAITING
    after_status: str = TaskManager.STATUS_DONE
    experiment_name: str | None = None
    recorder_name: str | None = None
    tags: Mapping[str, str] | None = None
    force_release: bool = False

    def check(self) -> None:
        """Refuse statuses that no work can be between.

        Raises:
            PoolInputError: One of them is unknown or out of place.
        """
        if check_status(self.before_status) not in FETCHABLE:
            raise PoolInputError(
                f"before_status {self.before_status!r}: tasks are fetched from "
                f"{' or '.join(FETCHABLE)}"
            )
        if check_status(self.after_status) in (self.before_status, "running"):
            raise PoolInputError(
                f"after_status {self.after_status!r}: it would be fetched again; use "
                f"{TaskManager.STATUS_DONE!r}"
            )

    def work(self, task: Mapping[str, Any]) -> RollJob:
        """What a worker process has to do for a fetched task.

        Raises:
            TaskError: Its definition is no task.
        """
        tags = dict(self.tags or {})
        if self.before_status == TaskManager.STATUS_PART_DONE:
            recorder_id = getattr(task["res"], "id", None)
            return _work(task, "end", self.experiment_name, recorder_id=recorder_id, tags=tags)
        definition = inner = task["def"]
        given: Mapping[str, Any] = {}
        if isinstance(definition, Mapping) and "task" in definition and "model" not in definition:
            given, inner = definition, definition["task"]
        if not isinstance(inner, Mapping):
            raise TaskError(f"the definition {inner!r} is no task: it needs 'model' and 'dataset'")
        return _work(
            task,
            "train",
            given.get("experiment_name") or self.experiment_name,
            task=dict(inner),
            recorder_name=given.get("recorder_name") or self.recorder_name,
            tags={**tags, **given.get("tags", {})},
        )


def _work(
    fetched: Mapping[str, Any], kind: JobKind, experiment_name: str | None, **fields: Any
) -> RollJob:
    return RollJob(
        key=str(fetched["_id"]),
        kind=kind,
        experiment_name=experiment_name,
        fingerprint=fetched["fingerprint"],
        figures=False,
        **fields,
    )


def run_pool_tasks(
    job: PoolJob,
    *,
    processes: int | None = None,
    make_work: MakeWork | None = None,
    wait_for_others: bool = False,
    follow: bool = False,
    stopping: threading.Event | None = None,
    apart: bool = False,
) -> Iterator[RollOutcome]:
    """Train what can be fetched from a pool, and yield an outcome for each attempt.

    A task that cannot be loaded, or whose training raises or kills its process, is given back and
    fetched again until its attempts are used up. Whatever interrupts this gives back the tasks in
    work.

    Args:
        job: Which tasks, and how.
        processes: Worker processes; default the setting ``max_workers``. With 1 the tasks are
            trained in this process.
        make_work: Another way to turn a task into work; default ``job.work``.
        wait_for_others: Go on until no task that the query finds is waiting or held by another
            worker: what a worker that dies leaves is then done here.
        follow: Go on for ever: wait for new tasks.
        stopping: Once set, no further task is fetched.
        apart: Never train in this process.

    Yields:
        The outcome of an attempt; its ``key`` is the task's id.

    Raises:
        PoolStoreError: The store of the pool went away for longer than the pool's patience.
        TrackingError: The MLflow store does not answer; nothing was fetched.
    """
    job.check()
    check_tracking()
    stopping = stopping or threading.Event()
    count = processes or get_settings().max_workers
    here = count == 1 and not (job.force_release or apart)
    slots = _Slots(job, make_work or job.work, count, here)
    try:
        while True:
            while not stopping.is_set() and slots.free and slots.fetch():
                yield from slots.refused()
            if slots.busy:
                yield from slots.finished(_PAUSE)
            elif stopping.is_set() or not (follow or (wait_for_others and _is_held(job))):
                return
            else:
                stopping.wait(_PAUSE)
    finally:
        slots.end()


def offer_lost(pool: TaskManager, query: Mapping[str, Any]) -> None:
    """Have the tasks trained again whose recorder is gone, or whose result is damaged.

    Raises:
        PoolStoreError: The pool's store does not answer.
        StoreError: The MLflow store does not.
    """
    trained = [TaskManager.STATUS_DONE, TaskManager.STATUS_PART_DONE]
    lost = []
    done = {"status": {"$in": trained}}
    for task in pool.query({"$and": [query, done]}, decode=False):
        try:
            pool.re_query(task["_id"])
        except (PoolStoreError, StoreError):
            raise
        except (PoolError, TrackingError) as error:
            _log.warning("task %s is to be trained again: %s", task["_id"], error)
            lost.append(task["_id"])
    if lost:  # another may have had the same thought, and a worker be at it
        pool.reset_status({"_id": {"$in": lost}, **done}, TaskManager.STATUS_WAITING)


def _is_held(job: PoolJob) -> bool:
    """Whether a task is another worker's, or has come back from one."""
    stat = job.pool.task_stat(job.query)
    return any(stat.get(status) for status in (TaskManager.STATUS_RUNNING, job.before_status))


class _Slots:
    """Processes of one worker each: one that dies takes no other along."""

    def __init__(self, job: PoolJob, make_work: MakeWork, count: int, here: bool) -> None:
        self._job = job
        self._make_work = make_work
        self._count = count
        self._here = here
        self._idle: list[Workers | None] = []
        self._running: dict[Future[RollOutcome], tuple[Mapping[str, Any], Workers | None]] = {}
        self._started = 0
        self._refused: list[RollOutcome] = []

    @property
    def free(self) -> bool:
        return len(self._running) < self._count

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def fetch(self) -> bool:
        """Fetch a task and begin with it, if there is one."""
        pool = self._job.pool
        try:
            task = pool.fetch_task(self._job.query, self._job.before_status)
        except (PoolStoreError, PoolInputError):
            raise
        except (PoolError, TrackingError) as error:  # it cannot be read, and has been given back
            if isinstance(error, StoreError):
                raise
            self._refused.append(RollOutcome(UNREADABLE, "train", "", error=str(error)))
            return True
        if task is None:
            return False
        try:
            work = self._make_work(task)
            self._begin(task, work)
        except TaskError as error:
            pool.return_task(task, self._job.before_status, error=str(error))
            self._refused.append(
                RollOutcome(str(task["_id"]), "train", task["fingerprint"], error=str(error))
            )
        except BaseException:
            pool.return_task(task, self._job.before_status)
            raise
        return True

    def refused(self) -> Iterator[RollOutcome]:
        """Outcomes of tasks that no work could be made of."""
        while self._refused:
            yield self._refused.pop()

    def _begin(self, task: Mapping[str, Any], work: RollJob) -> None:
        if not self._started:
            if not self._here:
                prepare_workers(work.task or {}, self._count)
            share_features([work])
        self._started += 1
        if self._here:
            from wf_dagster.training.worker import do

            future: Future[RollOutcome] = Future()
            future.set_result(do(work))
            self._running[future] = task, None
            return
        slot = self._idle.pop() if self._idle else None
        if slot is None:
            slot = Workers(1, [work], of=self._count)
            if self._started == 1:
                slot.check()
        self._running[slot.submit(work)] = task, slot

    def finished(self, timeout: float) -> Iterator[RollOutcome]:
        """Settle the tasks that have ended within a while."""
        for future in wait(self._running, timeout, return_when=FIRST_COMPLETED).done:
            task, slot = self._running[future]
            try:
                outcome = future.result()
            except BrokenProcessPool:
                outcome = RollOutcome.failed(
                    self._make_work(task),
                    "its worker process died (out of memory, or a crash in native code)",
                )
            kept = self._settle(task, outcome)
            del self._running[future]
            if slot is not None and self._job.force_release:
                slot.close()
            elif slot is not None:
                self._idle.append(slot)
            yield kept

    def _settle(self, task: Mapping[str, Any], outcome: RollOutcome) -> RollOutcome:
        job = self._job
        try:
            if outcome.ok:
                recorder = R.get_recorder(recorder_id=outcome.recorder_id)
                job.pool.commit_task_res(task, recorder, job.after_status)
            else:
                job.pool.return_task(task, job.before_status, error=outcome.error)
        except (LeaseError, TaskNotFoundError) as error:
            _log.warning("%s", error)
            return replace(outcome, error=str(error))
        return outcome

    def end(self) -> None:
        """Let the processes go; what is still in work is stopped and given back."""
        for _, slot in self._running.values():
            if slot is not None:
                slot.stop()
        for slot in self._idle:
            if slot is not None:
                slot.close()
        for task, _ in self._running.values():
            try:
                self._job.pool.return_task(task, self._job.before_status)
            except PoolStoreError as error:  # the others, and what interrupted this, count more
                _log.warning("task %s goes back when its lease runs out: %s", task["_id"], error)
        self._running.clear()
