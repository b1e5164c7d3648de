"""Work through many rolls in worker processes; one failing roll never stops the others."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from wf_dagster.settings import get_settings, snapshot
from wf_dagster.tasks import Roll, fingerprint
from wf_dagster.training.outcome import RollOutcome, Work

_log = logging.getLogger(__name__)


def train_rolls(
    rolls: Iterable[Roll],
    experiment_name: str,
    *,
    max_workers: int | None = None,
    parent_run_id: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Iterator[RollOutcome]:
    """Train rolls in parallel and yield each outcome as soon as it is there.

    Prices are read and features computed once, before the workers start; each roll is
    committed to MLflow when it is finished, so an interruption loses only the rolls in work.

    Args:
        rolls: The rolls, for example ``Rolls.from_template(...)``.
        experiment_name: MLflow experiment of the strategy.
        max_workers: Worker processes; default the setting ``max_workers`` (one a core).
            With 1, or a single roll, everything runs in this process.
        parent_run_id: MLflow run that the recorders become children of.
        tags: Further tags of each recorder; ``roll`` is set to the roll's key.

    Yields:
        Outcomes in the order in which rolls finish; a roll that fails has ``error`` set.

    Raises:
        TrackingError: The MLflow store does not answer; nothing was trained.
    """
    works = [
        Work(
            key=roll.key,
            kind="train",
            experiment_name=experiment_name,
            fingerprint=fingerprint(roll.task),
            task=roll.task,
            parent_run_id=parent_run_id,
            tags={**(tags or {}), "roll": roll.key},
        )
        for roll in rolls
    ]
    yield from work_through(works, max_workers=max_workers)


def work_through(works: Sequence[Work], *, max_workers: int | None = None) -> Iterator[RollOutcome]:
    """Do the works in parallel and yield each outcome as soon as it is there.

    Args:
        works: What to do; keys are unique.
        max_workers: Worker processes; default the setting ``max_workers``.

    Yields:
        One outcome a work, in the order in which they finish.
    """
    if not works:
        return
    from wf_dagster.tracking import check_tracking

    check_tracking()
    _share_features(works)
    settings = get_settings()
    workers = min(max_workers or settings.max_workers, len(works))
    if workers == 1:
        from wf_dagster.training.worker import do

        for work in works:
            yield do(work)
        return
    yield from _in_processes(works, workers, max(1, settings.max_workers // workers))


def _share_features(works: Sequence[Work]) -> None:
    """Compute the features the rolls share once, here, instead of once in each worker."""
    from wf_dagster.tasks import init_instance

    for work in works:
        if work.task is None:
            continue
        try:
            dataset = init_instance(work.task["dataset"])
            if hasattr(dataset, "warm"):
                _log.info("features ready in %.1f s", dataset.warm())
        except Exception as error:  # each roll meets it again and reports it as its own
            _log.warning("features could not be computed ahead: %s", error)
        break


class _Pool:
    """A process pool that can be replaced when one of its processes dies."""

    def __init__(self, workers: int, threads: int) -> None:
        self.workers = workers
        self._threads = threads
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, work: Work) -> Future[RollOutcome]:
        from wf_dagster.training.worker import do

        if self._pool is None:
            self._pool = self._start()
        try:
            return self._pool.submit(do, work)
        except BrokenProcessPool:  # it broke since the last roll came back
            self._pool = self._start()
            return self._pool.submit(do, work)

    def _start(self) -> ProcessPoolExecutor:
        from wf_dagster.training import worker

        # A forked copy of a process with threads (Dagster's, MLflow's) can hang; the fork
        # server has none, and imports the heavy libraries once for all workers.
        method = (
            "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        )
        context = multiprocessing.get_context(method)
        if method == "forkserver":
            context.set_forkserver_preload([worker.__name__])
        kept = {name: os.environ.get(name) for name in worker.THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(worker.THREAD_VARIABLES, str(self._threads)))
        try:
            pool = ProcessPoolExecutor(
                self.workers, context, worker.start, (snapshot(), self._threads)
            )
            pool.submit(os.getpid).result()  # the fork server reads the variables as it starts
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        return pool

    def discard(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def stop(self) -> None:
        """End the workers now; a roll in work is lost, a finished one is committed."""
        if self._pool is None:
            return
        processes: dict[Any, Any] = dict(self._pool._processes or {})
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.join(10)
            if process.is_alive():
                process.kill()
        self._pool = None


def _in_processes(works: Sequence[Work], workers: int, threads: int) -> Iterator[RollOutcome]:
    pool = _Pool(workers, threads)
    waiting = deque(works)
    # A worker that dies (out of memory, a crash in native code) takes its pool along, and it
    # is not known which of the rolls in work killed it: those run again, one at a time.
    suspects: deque[Work] = deque()
    running: dict[Future[RollOutcome], Work] = {}
    try:
        while waiting or suspects or running:
            while waiting and len(running) < workers:
                work = waiting.popleft()
                running[pool.submit(work)] = work
            alone = not running
            if alone:
                work = suspects.popleft()
                running[pool.submit(work)] = work
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                work = running.pop(future)
                error = future.exception()
                if error is None:
                    yield future.result()
                elif not isinstance(error, BrokenProcessPool):
                    yield RollOutcome.failed(work, f"{type(error).__name__}: {error}")
                elif alone:
                    yield RollOutcome.failed(
                        work,
                        "its worker process died (out of memory, or a crash in native code): "
                        "try a smaller task, or fewer workers with WF_MAX_WORKERS",
                    )
                else:
                    suspects.append(work)
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.discard()
