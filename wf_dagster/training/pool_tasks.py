"""Work through a task pool in worker processes, beside whoever else works on it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from wf_dagster.errors import (
    LeaseError,
    PoolError,
    PoolInputError,
    PoolStoreError,
    StoreError,
    TaskError,
    TaskNotFoundError,
    TrackingError,
)
from wf_dagster.pool import TaskManager
from wf_dagster.settings import worker_limit
from wf_dagster.tracking import R, check_tracking
from wf_dagster.training.parallel import share_features
from wf_dagster.training.pool_jobs import PoolJob
from wf_dagster.training.roll_jobs import RollJob, RollOutcome
from wf_dagster.training.worker import run_job
from wf_dagster.training.workers import Workers, prepare_workers

_log = logging.getLogger(__name__)
UNREADABLE = "unreadable task"  # the key of an outcome whose task could not be loaded
_PAUSE = 1.0  # seconds between two looks at a pool that has nothing to give
MakeRollJob = Callable[[Mapping[str, Any]], RollJob]


def run_pool_tasks(
    job: PoolJob,
    *,
    processes: int | None = None,
    make_roll_job: MakeRollJob | None = None,
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
        make_roll_job: Another way to turn a task into a job; default ``job.make_roll_job``.
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
    count = worker_limit(processes).count
    here = count == 1 and not (job.force_release or apart)
    slots = _WorkerSlots(job, make_roll_job or job.make_roll_job, count, here)
    try:
        while True:
            while not stopping.is_set() and slots.free and slots.fetch():
                yield from slots.pop_refused()
            if slots.busy:
                yield from slots.settle_finished(_PAUSE)
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


class _WorkerSlots:
    """Processes of one worker each: one that dies takes no other along."""

    def __init__(self, job: PoolJob, make_roll_job: MakeRollJob, count: int, here: bool) -> None:
        self._job = job
        self._make_roll_job = make_roll_job
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
            self._begin(task, self._make_roll_job(task))
        except TaskError as error:
            pool.return_task(task, self._job.before_status, error=str(error))
            self._refused.append(
                RollOutcome(str(task["_id"]), "train", task["fingerprint"], error=str(error))
            )
        except BaseException:
            pool.return_task(task, self._job.before_status)
            raise
        return True

    def pop_refused(self) -> Iterator[RollOutcome]:
        """Outcomes of tasks that no job could be made of."""
        while self._refused:
            yield self._refused.pop()

    def _begin(self, task: Mapping[str, Any], roll_job: RollJob) -> None:
        if not self._started:
            if not self._here:
                prepare_workers(roll_job.task or {}, self._count)
            share_features([roll_job])
        self._started += 1
        if self._here:
            future: Future[RollOutcome] = Future()
            future.set_result(run_job(roll_job))
            self._running[future] = task, None
            return
        slot = self._idle.pop() if self._idle else None
        if slot is None:
            slot = Workers(1, [roll_job], of=self._count)
            if self._started == 1:
                slot.check()
        self._running[slot.submit(roll_job)] = task, slot

    def settle_finished(self, timeout: float) -> Iterator[RollOutcome]:
        """Settle the tasks that have ended within a while."""
        for future in wait(self._running, timeout, return_when=FIRST_COMPLETED).done:
            task, slot = self._running[future]
            try:
                outcome = future.result()
            except BrokenProcessPool:
                outcome = RollOutcome.failed(
                    self._make_roll_job(task),
                    "its worker process died (out of memory, or a crash in native code)",
                )
            settled = self._settle(task, outcome)
            del self._running[future]
            if slot is not None and self._job.force_release:
                slot.close()
            elif slot is not None:
                self._idle.append(slot)
            yield settled

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
