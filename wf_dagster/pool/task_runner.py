"""Work through a pool."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wf_dagster.errors import PoolInputError
from wf_dagster.pool.states import DONE, FETCHABLE, PART_DONE, WAITING, check_status
from wf_dagster.pool.task_manager import TaskManager
from wf_dagster.process import call_in_own_process

_log = logging.getLogger(__name__)


def run_task(
    task_func: Callable[..., Any],
    task_pool: str | TaskManager,
    query: Mapping[str, Any] | None = None,
    force_release: bool = False,
    before_status: str = WAITING,
    after_status: str = DONE,
    **kwargs: Any,
) -> bool:
    """Fetch tasks and give them to a function, until there is none.

    ``waiting`` tasks go to the function as their definition, ``part_done`` ones as their result
    so far: ``waiting`` to ``done``, ``waiting`` to ``part_done``, ``part_done`` to ``part_done``
    and ``part_done`` to ``done`` are the four ways.

    Args:
        task_func: ``task_func(definition_or_result, **kwargs)`` gives the result.
        task_pool: Name of the pool, in the store of the settings; or a manager.
        query: Only tasks that it finds.
        force_release: Call the function in a process of its own each time, which gives all
            memory back when it ends; the function must be importable.
        before_status: Status of the tasks that are fetched.
        after_status: Their status when the function has returned.
        **kwargs: Further arguments of the function.

    Returns:
        Whether there was a task.

    Raises:
        PoolInputError: ``before_status`` is neither ``waiting`` nor ``part_done``.
        Exception: What the function raised; its task was given back.
    """
    had_task = False
    for _ in run_each(
        task_func,
        task_pool,
        query,
        force_release=force_release,
        before_status=before_status,
        after_status=after_status,
        **kwargs,
    ):
        had_task = True
    return had_task


def run_each(
    task_func: Callable[..., Any],
    task_pool: str | TaskManager,
    query: Mapping[str, Any] | None = None,
    *,
    force_release: bool = False,
    before_status: str = WAITING,
    after_status: str = DONE,
    **kwargs: Any,
) -> Iterator[str]:
    """As :func:`run_task`, giving the id of each task that was done before the next is fetched."""
    if before_status not in FETCHABLE:
        raise PoolInputError(
            f"before_status {check_status(before_status)!r}: tasks are fetched from "
            f"{WAITING!r} or {PART_DONE!r}"
        )
    check_status(after_status)
    pool = task_pool if isinstance(task_pool, TaskManager) else TaskManager(task_pool)
    # a task that stays in the status it is fetched from would be fetched again, for ever
    done: list[str] = []
    while True:
        remaining = _exclude(query, done) if after_status == before_status else query
        with pool.safe_fetch_task(remaining, before_status) as task:
            if task is None:
                return
            _log.info("pool %s: task %s", pool.task_pool, task["_id"])
            argument = task["def"] if before_status == WAITING else task["res"]
            result = (
                call_in_own_process(task_func, argument, **kwargs)
                if force_release
                else task_func(argument, **kwargs)
            )
            pool.commit_task_res(task, result, after_status)
        done.append(task["_id"])
        yield task["_id"]


def _exclude(query: Mapping[str, Any] | None, ids: list[str]) -> dict[str, Any]:
    return {"$and": [dict(query or {}), {"_id": {"$nin": ids}}]}
