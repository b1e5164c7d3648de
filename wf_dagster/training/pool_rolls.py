"""Rolls trained through a task pool, so that workers elsewhere can take some of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from wf_dagster.errors import OwnerError, PoolError
from wf_dagster.pool import TaskManager
from wf_dagster.tasks import WARM_START
from wf_dagster.tracking import Owner, R, Recorder, set_parent
from wf_dagster.training.parallel import run_rolls, workers_for
from wf_dagster.training.pool_jobs import PoolJob, carry_market
from wf_dagster.training.pool_tasks import offer_lost, run_pool_tasks
from wf_dagster.training.roll_jobs import RollJob, RollOutcome

_log = logging.getLogger(__name__)
_OWNER = "filter.owner"


def run_rolls_in_pool(
    jobs: Sequence[RollJob],
    pool: TaskManager,
    *,
    max_workers: int | None = None,
    owner: Owner | None = None,
) -> Iterator[RollOutcome]:
    """As :func:`run_rolls`, but what is to be trained is offered to other workers too.

    The rolls to train become tasks of the pool; this process trains what nobody else has
    claimed, and waits for what others hold. A task of the pool holds the roll's ``task`` and,
    beside it, the experiment, the name and the tags of its recorder: whoever trains it makes the
    same recorder.

    Args:
        jobs: What to do; keys are unique.
        pool: Where the tasks go.
        max_workers: Worker processes of this machine; default the setting ``max_workers``.
        owner: Whose pool it is; ``None`` for one that several share on purpose.

    Yields:
        One outcome a job, in the order in which they finish.

    Raises:
        OwnerError: The pool holds tasks of another owner; nothing was offered or trained.
        PoolStoreError: The pool's store went away for longer than the pool's patience.
    """
    if owner is not None:
        _check_owner(pool, owner)
    # rolls that start from one another's models follow one another: nobody can help with them
    to_train = [job for job in jobs if job.task is not None and not job.task.get(WARM_START)]
    to_train = [job for job in to_train if job.kind == "train" and not _is_followed(job, jobs)]
    shared = {job.key for job in to_train}
    yield from run_rolls([job for job in jobs if job.key not in shared], max_workers=max_workers)
    if not to_train:
        return
    ids = pool.create_task([_define_task(job, owner) for job in to_train])
    by_id = dict(zip(ids, to_train, strict=True))
    query = {"_id": {"$in": ids}}
    _offer_again(pool, query)
    _log.info("pool %s at %s: %d tasks", pool.task_pool, pool.address, len(ids))
    try:
        trained_here = set()
        for outcome in run_pool_tasks(
            PoolJob(pool, query),
            processes=workers_for(len(ids), max_workers),
            make_roll_job=lambda task: by_id[task["_id"]],
            wait_for_others=True,
        ):
            if outcome.ok:
                trained_here.add(outcome.key)
                yield outcome
        others = [task_id for task_id, job in by_id.items() if job.key not in trained_here]
        yield from _report_others(pool, others, by_id, max_workers)
    except BaseException:
        with suppress(PoolError):  # what interrupted this is the error to see
            pool.remove({**query, "status": TaskManager.STATUS_WAITING})
        raise


def _is_followed(job: RollJob, jobs: Sequence[RollJob]) -> bool:
    starts = {other.task.get(WARM_START) for other in jobs if other.task is not None}
    return job.fingerprint in starts


def _check_owner(pool: TaskManager, owner: Owner) -> None:
    others = {"$and": [{_OWNER: {"$exists": True}}, {_OWNER: {"$ne": owner.to_json()}}]}
    for task in pool.query(others, decode=False):
        other = Owner.from_json(task["filter"]["owner"])
        if other.part != owner.part or not owner.is_of_same_code(other):
            raise OwnerError(
                f"the pool {pool.task_pool!r} at {pool.address} holds tasks of {other}; this is "
                f"{owner}, and workers of either would train for the other: nothing was offered. "
                "Name a pool of its own, or one that both share, TaskPoolResource(name=...); or "
                f"take the tasks away: wf-dagster pool remove {pool.task_pool}"
            )


def _define_task(job: RollJob, owner: Owner | None) -> dict[str, Any]:
    return {
        "task": carry_market(job.task or {}, job.market),
        "experiment_name": job.experiment_name,
        "recorder_name": job.recorder_name,
        "tags": job.tags,
        **({} if owner is None else {"owner": owner.to_json()}),
    }


def _offer_again(pool: TaskManager, query: Mapping[str, Any]) -> None:
    """What failed before, or was done by a recorder that is gone, is to be trained now."""
    failed = TaskManager.STATUS_FAILED
    pool.reset_status({**query, "status": failed}, TaskManager.STATUS_WAITING)
    offer_lost(pool, query)


def _report_others(
    pool: TaskManager,
    ids: Sequence[str],
    by_id: Mapping[str, RollJob],
    max_workers: int | None,
) -> Iterator[RollOutcome]:
    """Outcomes of the tasks that other workers did, or that nobody could do."""
    tasks = {task["_id"]: task for task in pool.query({"_id": {"$in": list(ids)}})}
    reports = []
    for task_id in ids:
        job, task = by_id[task_id], tasks.get(task_id)
        if task is None:
            yield RollOutcome.failed(job, f"its task {task_id} was removed from the pool")
        elif not isinstance(task.get("res"), Recorder):
            reason = task.get("error") or f"its task is {task['status']}"
            yield RollOutcome.failed(job, f"{reason} (task {task_id}, last of {task['worker']})")
        else:
            recorder = R.get_recorder(recorder_id=task["res"].id)
            if job.parent_run_id:
                set_parent(recorder, job.parent_run_id)
            reports.append(replace(job, kind="report", recorder_id=recorder.id))
    for outcome in run_rolls(reports, max_workers=max_workers):
        yield replace(outcome, kind="train")
