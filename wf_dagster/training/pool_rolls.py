"""Rolls trained through a task pool, so that workers elsewhere can take some of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from wf_dagster.errors import PoolError
from wf_dagster.pool import TaskManager
from wf_dagster.settings import get_settings
from wf_dagster.tasks import AS_OF, WARM_START
from wf_dagster.tracking import R, Recorder
from wf_dagster.training.parallel import run_rolls, workers_for
from wf_dagster.training.pool_tasks import PoolJob, offer_lost, run_pool_tasks
from wf_dagster.training.roll_jobs import RollJob, RollOutcome

_log = logging.getLogger(__name__)
_PARENT = "mlflow.parentRunId"


def run_rolls_in_pool(
    works: Sequence[RollJob], pool: TaskManager, *, max_workers: int | None = None
) -> Iterator[RollOutcome]:
    """As :func:`run_rolls`, but what is to be trained is offered to other workers too.

    The rolls to train become tasks of the pool; this process trains what nobody else has
    claimed, and waits for what others hold. A task of the pool holds the roll's ``task`` and,
    beside it, the experiment, the name and the tags of its recorder: whoever trains it makes the
    same recorder.

    Args:
        works: What to do; keys are unique.
        pool: Where the tasks go.
        max_workers: Worker processes of this machine; default the setting ``max_workers``.

    Yields:
        One outcome a work, in the order in which they finish.

    Raises:
        PoolStoreError: The pool's store went away for longer than the pool's patience.
    """
    # rolls that start from one another's models follow one another: nobody can help with them
    to_train = [w for w in works if w.task is not None and not w.task.get(WARM_START)]
    to_train = [w for w in to_train if w.kind == "train" and not _is_followed(w, works)]
    shared = {work.key for work in to_train}
    yield from run_rolls([w for w in works if w.key not in shared], max_workers=max_workers)
    if not to_train:
        return
    as_of = get_settings().replay_date()
    ids = pool.create_task([_definition(work, as_of) for work in to_train])
    by_id = dict(zip(ids, to_train, strict=True))
    query = {"_id": {"$in": ids}}
    _offer_again(pool, query)
    _log.info("pool %s at %s: %d tasks", pool.task_pool, pool.address, len(ids))
    try:
        seen = set()
        for outcome in run_pool_tasks(
            PoolJob(pool, query),
            processes=workers_for(len(ids), max_workers),
            make_work=lambda task: by_id[task["_id"]],
            wait_for_others=True,
        ):
            if outcome.ok:
                seen.add(outcome.key)
                yield outcome
        keys = {work.key: task_id for task_id, work in by_id.items()}
        rest = [task_id for key, task_id in keys.items() if key not in seen]
        yield from _done_elsewhere(pool, rest, by_id, max_workers)
    except BaseException:
        with suppress(PoolError):  # what interrupted this is the error to see
            pool.remove({**query, "status": TaskManager.STATUS_WAITING})
        raise


def _is_followed(work: RollJob, works: Sequence[RollJob]) -> bool:
    starts = {other.task.get(WARM_START) for other in works if other.task is not None}
    return work.fingerprint in starts


def _definition(work: RollJob, as_of: str | None) -> dict[str, Any]:
    return {
        # workers elsewhere do not know of a replay date
        "task": {**(work.task or {}), AS_OF: as_of} if as_of else work.task,
        "experiment_name": work.experiment_name,
        "recorder_name": work.recorder_name,
        "tags": work.tags,
    }


def _offer_again(pool: TaskManager, query: Mapping[str, Any]) -> None:
    """What failed before, or was done by a recorder that is gone, is to be trained now."""
    failed = TaskManager.STATUS_FAILED
    pool.reset_status({**query, "status": failed}, TaskManager.STATUS_WAITING)
    offer_lost(pool, query)


def _done_elsewhere(
    pool: TaskManager,
    ids: Sequence[str],
    by_id: Mapping[str, RollJob],
    max_workers: int | None,
) -> Iterator[RollOutcome]:
    """Outcomes of the tasks that other workers did, or that nobody could do."""
    found = {task["_id"]: task for task in pool.query({"_id": {"$in": list(ids)}})}
    reports = []
    for task_id in ids:
        work, task = by_id[task_id], found.get(task_id)
        if task is None:
            yield RollOutcome.failed(work, f"its task {task_id} was removed from the pool")
        elif not isinstance(task.get("res"), Recorder):
            said = task.get("error") or f"its task is {task['status']}"
            yield RollOutcome.failed(work, f"{said} (task {task_id}, last of {task['worker']})")
        else:
            recorder = R.get_recorder(recorder_id=task["res"].id)
            if work.parent_run_id and recorder.list_tags().get(_PARENT) != work.parent_run_id:
                recorder.set_tags(**{_PARENT: work.parent_run_id})
            reports.append(replace(work, kind="report", recorder_id=recorder.id))
    for outcome in run_rolls(reports, max_workers=max_workers):
        yield replace(outcome, kind="train")
