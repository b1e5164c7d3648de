"""Wait for the tasks that other workers hold, with a progress bar."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wf_dagster.progress import progress_bar

if TYPE_CHECKING:
    from wf_dagster.pool.task_manager import TaskManager

_log = logging.getLogger(__name__)


def wait_for_tasks(
    pool: TaskManager,
    query: Mapping[str, Any] | None,
    pending: Sequence[str],
    *,
    interval: float,
    timeout: float | None,
) -> dict[str, int]:
    """Look again and again until no task is pending.

    Args:
        pool: The pool.
        query: Which of its tasks.
        pending: Statuses to wait for the end of.
        interval: Seconds between two looks.
        timeout: Seconds after which to give up.

    Returns:
        Number of tasks by status.

    Raises:
        TimeoutError: ``timeout`` passed.
    """
    started = time.monotonic()
    stat = pool.task_stat(query)
    left = _count_pending(stat, pending)
    if not left:
        return stat
    _log.warning("pool %s: waiting for %d tasks that must have workers", pool.task_pool, left)
    with progress_bar(f"pool {pool.task_pool}", sum(stat.values())) as update:
        while left:
            update(sum(stat.values()) - left, sum(stat.values()))
            if timeout is not None and time.monotonic() - started > timeout:
                raise TimeoutError(
                    f"pool {pool.task_pool!r}: {left} tasks are not done after {timeout:g} s "
                    f"({stat}): start a worker, or wait longer"
                )
            time.sleep(interval)
            pool.reap()
            stat = pool.task_stat(query)
            left = _count_pending(stat, pending)
        update(sum(stat.values()), sum(stat.values()))
    return stat


def _count_pending(stat: Mapping[str, int], pending: Sequence[str]) -> int:
    return sum(stat.get(status, 0) for status in pending)
