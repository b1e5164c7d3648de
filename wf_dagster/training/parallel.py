"""Work through many rolls in worker processes; one failing roll never stops the others."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from wf_dagster.data.adapters import DefaultAdapter, adapter_of
from wf_dagster.errors import WfError
from wf_dagster.market import Market
from wf_dagster.rolling import Roll
from wf_dagster.settings import worker_limit
from wf_dagster.tasks import WARM_START, fingerprint, modules_named
from wf_dagster.tracking import check_tracking
from wf_dagster.tracking.own_code import note_trust
from wf_dagster.training.roll_jobs import RollJob, RollOutcome
from wf_dagster.training.spread import Spread
from wf_dagster.training.worker import run_job
from wf_dagster.training.workers import Workers, prepare_workers, release_workers

_log = logging.getLogger(__name__)


def train_rolls(
    rolls: Iterable[Roll],
    experiment_name: str,
    *,
    max_workers: int | None = None,
    parent_run_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    market: Market | None = None,
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
        market: What they are trained on; default that of the settings.

    Yields:
        Outcomes in the order in which rolls finish; a roll that fails has ``error`` set.

    Raises:
        TrackingError: The MLflow store does not answer; nothing was trained.
        TrainingError: Worker processes cannot be started.
    """
    market = Market.of(market)
    jobs = [
        RollJob(
            key=roll.key,
            kind="train",
            recorder_name=roll.key,
            experiment_name=experiment_name,
            fingerprint=fingerprint(roll.task),
            task=roll.task,
            parent_run_id=parent_run_id,
            tags={**(tags or {}), "roll": roll.key},
            market=market,
        )
        for roll in rolls
    ]
    yield from run_rolls(jobs, max_workers=max_workers)


def run_rolls(jobs: Sequence[RollJob], *, max_workers: int | None = None) -> Iterator[RollOutcome]:
    """Do jobs in parallel and yield each outcome as soon as it is there.

    Args:
        jobs: What to do; keys are unique.
        max_workers: Worker processes; default the setting ``max_workers``.

    Yields:
        One outcome a job, in the order in which they finish.
    """
    if not jobs:
        return
    check_tracking()
    workers = _start_workers(jobs, max_workers)
    # while the fork server imports what the workers need; what cannot be computed for one roll
    # cannot be for another: it is said once, before any recorder is made
    share_features(jobs, max_workers, refuses=all(job.kind == "train" for job in jobs))
    if workers == 1:
        release_workers()
        for job in jobs:
            yield run_job(job)
        return
    tasks = {job.key: job.task for job in jobs}
    for outcome in _run_in_processes(Workers(workers, jobs), jobs):
        if outcome.recorder_id is not None and (task := tasks[outcome.key]) is not None:
            note_trust(outcome.recorder_id, modules_named(task))
        yield outcome


def workers_for(jobs: int, max_workers: int | None = None) -> int:
    """Number of worker processes for so many jobs; 1 means this process."""
    return max(1, min(worker_limit(max_workers).count, jobs))


def limit_by_memory(workers: int, jobs: Sequence[RollJob]) -> int:
    """Number of worker processes whose rolls hold no more than one copy of the features together.

    Args:
        workers: The most.
        jobs: The rolls; those without a task do not count.

    Returns:
        ``workers`` for small data, or where somebody has set ``max_workers``.
    """
    if worker_limit().is_chosen:
        return workers
    for market, tasks in _tasks_by_market(jobs):
        try:
            workers = min(workers, adapter_of(tasks[0], market).most_together(tasks) or workers)
        except Exception:  # each roll meets it again and reports it as its own
            continue
    return workers


def share_features(
    jobs: Sequence[RollJob], max_workers: int | None = None, refuses: bool = False
) -> None:
    """Compute the features the rolls share once, ahead, instead of once in each worker.

    Args:
        jobs: The rolls.
        max_workers: Processes that may compute, this one among them; default the setting.
        refuses: Whether prices, a universe or functions of which nothing can be computed are
            raised; else they are left to each roll.

    Raises:
        WfError: As said.
    """
    for market, tasks in _tasks_by_market(jobs):
        adapter = None
        try:
            adapter = adapter_of(tasks[0], market)
            seconds = adapter.warm(tasks, Spread(tasks[0], worker_limit(max_workers).count))
        except Exception as error:  # each roll meets it again and reports it as its own
            # not where each has a handler of Qlib's of its own
            if refuses and isinstance(error, WfError) and isinstance(adapter, DefaultAdapter):
                release_workers()
                raise
            _log.warning("features could not be computed ahead: %s", error)
            continue
        if seconds is not None:
            _log.info("features ready in %.1f s", seconds)


def _start_workers(jobs: Sequence[RollJob], max_workers: int | None) -> int:
    """Number of worker processes; the fork server imports what they need meanwhile."""
    workers = workers_for(len(jobs), max_workers)
    task = next((job.task for job in jobs if job.task is not None), None)
    if workers == 1 or task is None:
        return workers
    prepare_workers(task, workers)
    return limit_by_memory(workers, jobs) if max_workers is None else workers


def _tasks_by_market(jobs: Sequence[RollJob]) -> Iterator[tuple[Market, list[dict[str, Any]]]]:
    groups: dict[Market, list[dict[str, Any]]] = {}
    for job in jobs:
        if job.task is not None:
            groups.setdefault(job.market or Market(), []).append(job.task)
    yield from groups.items()


def _find_ready_job(waiting: Iterable[RollJob], others: Iterable[RollJob]) -> RollJob | None:
    """The first job that does not start from the model of one that is not done yet."""
    undone = {job.fingerprint for job in (*waiting, *others)}
    for job in waiting:
        if job.task is None or job.task.get(WARM_START) not in undone:
            return job
    return None


def _run_in_processes(workers: Workers, jobs: Sequence[RollJob]) -> Iterator[RollOutcome]:
    workers.check()
    waiting = deque(jobs)
    # A worker that dies (out of memory, a crash in native code) takes its pool along, and it
    # is not known which of the rolls in work killed it: those run again, one at a time.
    suspects: deque[RollJob] = deque()
    running: dict[Future[RollOutcome], RollJob] = {}
    try:
        while waiting or suspects or running:
            while len(running) < workers.count and (
                ready := _find_ready_job(waiting, (*running.values(), *suspects))
            ):
                waiting.remove(ready)
                running[workers.submit(ready)] = ready
            is_alone = not running and bool(suspects)
            if is_alone:
                job = suspects.popleft()
                running[workers.submit(job)] = job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                error = future.exception()
                if error is None:
                    yield future.result()
                elif not isinstance(error, BrokenProcessPool):
                    yield RollOutcome.failed(job, f"{type(error).__name__}: {error}")
                elif is_alone:
                    yield RollOutcome.failed(
                        job,
                        "its worker process died (out of memory, or a crash in native code): "
                        "try a smaller task, or fewer workers with WF_MAX_WORKERS",
                    )
                else:
                    suspects.append(job)
    except BaseException:
        workers.stop()
        raise
    finally:
        workers.close()
