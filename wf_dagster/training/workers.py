"""Worker processes that start fast, share imports, and can be replaced when one dies."""

from __future__ import annotations

import multiprocessing
import os
import traceback
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, TypeVar

from wf_dagster.data.adapters import worker_modules
from wf_dagster.errors import TrainingError
from wf_dagster.process import (
    get_chosen_start_method,
    has_fork_server,
    is_main_importable,
    main_module_hidden,
    pack,
    start_fork_server,
    stop_fork_server,
)
from wf_dagster.settings import snapshot, worker_limit
from wf_dagster.training.roll_jobs import RollJob, RollOutcome
from wf_dagster.training.worker import initialise_worker, run_packed_job

S = TypeVar("S")
T = TypeVar("T")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_POOLS: weakref.WeakSet[ProcessPoolExecutor] = weakref.WeakSet()  # those not shut down
_ALWAYS = ("wf_dagster.training.worker", "matplotlib.backends.backend_agg")


def prepare_workers(task: Mapping[str, Any], workers: int) -> None:
    """Let the fork server import what a task names, while the caller does something else.

    Does nothing where there is no fork server, or where it has started already.

    Args:
        task: A task definition; the other tasks are taken to name the same modules.
        workers: Number of worker processes that will be started.
    """
    if not has_fork_server():
        return
    from wf_dagster.tracking import client_modules  # slow to import

    named = [module for module in worker_modules(task) if module != "__main__"]
    modules = [*_ALWAYS, *client_modules(), *named]
    start_fork_server(modules, _thread_variables(workers))


def release_workers() -> None:
    """End the fork server that :func:`prepare_workers` started: it holds what it has imported."""
    if not _POOLS:  # their workers would seem to have died
        stop_fork_server()


class Workers:
    """Worker processes.

    Args:
        workers: Number of processes.
        jobs: What they will do.
        of: Number of processes that share the cores, if there are others beside these.
    """

    def __init__(self, workers: int, jobs: Sequence[RollJob], of: int | None = None) -> None:
        self.count = workers
        self._sharing = of or workers
        self._needs_main = is_main_importable() and any(map(_names_main, jobs))
        self._pool = self._start()

    def check(self) -> None:
        """Make sure that workers start.

        Raises:
            TrainingError: They do not.
        """
        try:
            self._submit(os.getpid).result()
        except BrokenProcessPool as error:
            self.stop()
            raise TrainingError(
                "the worker processes die as they start (their messages stand above): a script "
                'whose own classes are in the task must start under `if __name__ == "__main__":`; '
                "WF_MAX_WORKERS=1 trains in this process instead"
            ) from error

    def submit(self, job: RollJob) -> Future[RollOutcome]:
        """Have a worker do a job; a broken pool is replaced first.

        What cannot be sent to a worker is the job's failure.
        """
        try:
            content = pack(job)
        except TrainingError as error:
            refused: Future[RollOutcome] = Future()
            refused.set_result(RollOutcome.failed(job, str(error), traceback.format_exc()))
            return refused
        label = replace(job, task=None, market=None)
        try:
            return self._submit(run_packed_job, label, content)
        except BrokenProcessPool:  # it broke since the last roll came back
            self._pool = self._start()
            return self._submit(run_packed_job, label, content)

    def _submit(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        # workers import the script that was started only if a task needs something of it
        with nullcontext() if self._needs_main else main_module_hidden():
            return self._pool.submit(function, *arguments)

    def _start(self) -> ProcessPoolExecutor:
        return start_executor(self.count, self._sharing)

    def close(self) -> None:
        """Let the workers go when they have done what they are at."""
        close_executor(self._pool)

    def stop(self) -> None:
        """End the workers now; a roll in work is lost, a finished one is committed."""
        end_executor(self._pool)


def _names_main(job: RollJob) -> bool:
    try:
        return b"__main__" in pack(job)
    except TrainingError:  # said when it is submitted
        return False


def start_executor(workers: int, sharing: int) -> ProcessPoolExecutor:
    """Worker processes with the settings of this one.

    Args:
        workers: Their number.
        sharing: Number of processes that share the cores.
    """
    context = multiprocessing.get_context("forkserver" if has_fork_server() else "spawn")
    threads, variables = _threads(sharing), _thread_variables(sharing)
    arguments = (snapshot(), threads, variables, get_chosen_start_method())
    pool = ProcessPoolExecutor(workers, context, initialise_worker, arguments)
    _POOLS.add(pool)
    return pool


def close_executor(pool: ProcessPoolExecutor) -> None:
    """Let the workers go when they have done what they are at."""
    # waited for: an interpreter that ends meanwhile may print a traceback of its own
    pool.shutdown(wait=True, cancel_futures=True)
    _POOLS.discard(pool)


def end_executor(pool: ProcessPoolExecutor) -> None:
    """End the workers now."""
    processes: dict[Any, Any] = dict(pool._processes or {})
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes.values():
        process.terminate()
    for process in processes.values():
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()


def _threads(workers: int) -> int:
    return max(1, worker_limit().count // workers)


def _thread_variables(workers: int) -> dict[str, str]:
    return dict.fromkeys(_THREAD_VARIABLES, str(_threads(workers)))
