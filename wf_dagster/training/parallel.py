"""Work through many rolls in worker processes; one failing roll never stops the others."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from wf_dagster.data.adapters import adapter_of
from wf_dagster.market import Market
from wf_dagster.rolling import Roll
from wf_dagster.settings import get_settings
from wf_dagster.tasks import WARM_START, fingerprint
from wf_dagster.training.roll_jobs import RollJob, RollOutcome
from wf_dagster.training.workers import Spread, Workers, prepare_workers, release_workers

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
        TrainingError: Worker processes cannot be started.
    """
    works = [
        RollJob(
            key=roll.key,
            kind="train",
            recorder_name=roll.key,
            experiment_name=experiment_name,
            fingerprint=fingerprint(roll.task),
            task=roll.task,
            parent_run_id=parent_run_id,
            tags={**(tags or {}), "roll": roll.key},
        )
        for roll in rolls
    ]
    yield from run_rolls(works, max_workers=max_workers)


def run_rolls(works: Sequence[RollJob], *, max_workers: int | None = None) -> Iterator[RollOutcome]:
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
    workers = _workers(works, max_workers)
    share_features(works, max_workers)  # while the fork server imports what the workers need
    if workers == 1:
        from wf_dagster.training.worker import do

        release_workers()
        for work in works:
            yield do(work)
        return
    yield from _in_processes(Workers(workers, works), works)


def workers_for(works: int, max_workers: int | None = None) -> int:
    """Number of worker processes for so many works; 1 means this process."""
    return max(1, min(max_workers or get_settings().max_workers, works))


def few_enough(workers: int, tasks: Sequence[Mapping[str, Any]]) -> int:
    """Number of worker processes whose rolls hold no more than one copy of the features together.

    Args:
        workers: The most.
        tasks: The rolls' tasks.

    Returns:
        ``workers`` for small data, or where somebody has set ``max_workers``.
    """
    if "max_workers" in get_settings().model_fields_set:
        return workers
    try:
        return min(workers, adapter_of(tasks[0], Market()).most_together(tasks) or workers)
    except Exception:  # each roll meets it again and reports it as its own
        return workers


def _workers(works: Sequence[RollJob], max_workers: int | None) -> int:
    """Number of worker processes; the fork server imports what they need meanwhile."""
    workers = workers_for(len(works), max_workers)
    tasks = [work.task for work in works if work.task is not None]
    if workers == 1 or not tasks:
        return workers
    prepare_workers(tasks[0], workers)
    return few_enough(workers, tasks) if max_workers is None else workers


def share_features(works: Sequence[RollJob], max_workers: int | None = None) -> None:
    """Compute the features the rolls share once, ahead, instead of once in each worker.

    Args:
        works: The rolls.
        max_workers: Processes that may compute, this one among them; default the setting.
    """
    tasks = [work.task for work in works if work.task is not None]
    if not tasks:
        return
    try:
        spread = Spread(tasks[0], max_workers or get_settings().max_workers)
        seconds = adapter_of(tasks[0], Market()).warm(tasks, spread)
    except Exception as error:  # each roll meets it again and reports it as its own
        _log.warning("features could not be computed ahead: %s", error)
        return
    if seconds is not None:
        _log.info("features ready in %.1f s", seconds)


def _ready(waiting: Iterable[RollJob], others: Iterable[RollJob]) -> RollJob | None:
    """The first work that does not start from the model of one that is not done yet."""
    undone = {work.fingerprint for work in (*waiting, *others)}
    for work in waiting:
        if work.task is None or work.task.get(WARM_START) not in undone:
            return work
    return None


def _in_processes(pool: Workers, works: Sequence[RollJob]) -> Iterator[RollOutcome]:
    pool.check()
    waiting = deque(works)
    # A worker that dies (out of memory, a crash in native code) takes its pool along, and it
    # is not known which of the rolls in work killed it: those run again, one at a time.
    suspects: deque[RollJob] = deque()
    running: dict[Future[RollOutcome], RollJob] = {}
    try:
        while waiting or suspects or running:
            while len(running) < pool.workers and (
                ready := _ready(waiting, (*running.values(), *suspects))
            ):
                waiting.remove(ready)
                running[pool.submit(ready)] = ready
            alone = not running and bool(suspects)
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
        pool.close()
