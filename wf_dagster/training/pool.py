"""Worker processes that start fast, share imports, and can be replaced when one dies."""

from __future__ import annotations

import multiprocessing
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from wf_dagster.settings import snapshot
from wf_dagster.training.outcome import RollOutcome, Work

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ALWAYS = ("wf_dagster.training.worker", "matplotlib.backends.backend_agg")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


class Pool:
    """Worker processes; they start, and import what they need, as soon as it is made.

    Args:
        workers: Number of processes.
        threads: Threads that the numerical libraries of each may use.
        modules: Imported once for all workers; one that cannot be imported is left to the task
            that names it.
    """

    def __init__(self, workers: int, threads: int, modules: Sequence[str] = ()) -> None:
        self.workers = workers
        self._threads = threads
        # A forked copy of a process with threads (Dagster's, MLflow's) can hang; the fork
        # server has none, and imports the heavy libraries once for all workers.
        forks = "forkserver" in multiprocessing.get_all_start_methods()
        self._context = multiprocessing.get_context("forkserver" if forks else "spawn")
        if forks:
            from multiprocessing import forkserver

            self._context.set_forkserver_preload([*_ALWAYS, *modules])
            with _environment(self._thread_variables()):
                forkserver.ensure_running()
        self._pool = self._start()

    def submit(self, work: Work) -> Future[RollOutcome]:
        """Have a worker do the work; a broken pool is replaced first."""
        from wf_dagster.training.worker import do

        try:
            return self._pool.submit(do, work)
        except BrokenProcessPool:  # it broke since the last roll came back
            self._pool = self._start()
            return self._pool.submit(do, work)

    def _start(self) -> ProcessPoolExecutor:
        from wf_dagster.training.worker import start

        arguments = (snapshot(), self._threads, self._thread_variables())
        return ProcessPoolExecutor(self.workers, self._context, start, arguments)

    def _thread_variables(self) -> dict[str, str]:
        return dict.fromkeys(THREAD_VARIABLES, str(self._threads))

    def close(self) -> None:
        """Let the workers go when they have done what they are at."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """End the workers now; a roll in work is lost, a finished one is committed."""
        processes: dict[Any, Any] = dict(self._pool._processes or {})
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.join(10)
            if process.is_alive():
                process.kill()


def modules_named(works: Iterable[Work]) -> list[str]:
    """The modules that the first task names: its classes', and those of dotted paths."""
    for work in works:
        if work.task is not None:
            return sorted(set(_modules(work.task)))
    return []


def _modules(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("module_path"), str):
            yield value["module_path"]
        for inner in value.values():
            yield from _modules(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _modules(inner)
    elif isinstance(value, str) and _DOTTED.fullmatch(value):
        yield value.rpartition(".")[0]


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that hold inside the block."""
    kept = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
