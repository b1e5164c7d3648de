"""Claim tasks, commit their results, put them back: the last two only while the lease is held."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wf_dagster.errors import LeaseError, PoolStoreError, TaskNotFoundError
from wf_dagster.pool.leases import (
    RELEASED,
    Lease,
    query_lease,
    start_renewing,
    stop_renewing,
    worker_name,
)
from wf_dagster.pool.states import DONE, FAILED, RUNNING
from wf_dagster.pool.stores import Document, Query, Store
from wf_dagster.pool.task_documents import describe_error

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskClaims:
    """What this process does with the tasks of a pool that it claims.

    Attributes:
        store: The store.
        pool: Name of the pool.
        lease: Seconds without a sign of life after which a worker counts as dead.
        max_attempts: Attempts after which a task is ``failed``.
    """

    store: Store
    pool: str
    lease: float
    max_attempts: int

    def claim(self, query: Query, status: str) -> Document | None:
        """Take the first task of a status under a lease that is renewed from now on.

        Args:
            query: Only tasks that it finds.
            status: Status of the tasks to choose from.

        Returns:
            The task; ``None`` when there is none.
        """
        token = secrets.token_hex(16)
        document = self.store.claim(
            self.pool,
            query,
            status,
            {
                "status": RUNNING,
                "lease": token,
                "lease_until": self.store.now() + self.lease,
                "fetched_from": status,
                "worker": worker_name(),
            },
        )
        if document is not None:
            start_renewing(self.store, Lease(self.pool, document["_id"], token, self.lease))
        return document

    def commit(self, task: Mapping[str, Any], result: bytes, status: str) -> None:
        """Keep the result of a task that is still this worker's.

        Args:
            task: The task, as it was fetched.
            result: Its encoded result.
            status: The task's status from now on; ``running`` keeps the lease.

        Raises:
            LeaseError: The lease was lost; nothing is changed.
            TaskNotFoundError: The task was removed.
        """
        token, task_id = str(task["lease"]), str(task["_id"])
        values: Document = {"status": status, "res": result, "error": None}
        if status != DONE:  # the next step has attempts of its own
            values["attempts"] = 0
        if status != RUNNING:
            values |= {"lease_until": None, "fetched_from": None}
        if not self.store.update(self.pool, query_lease(task_id, token), values):
            self._check_committed(task_id, token, result)
        if status != RUNNING:
            stop_renewing(self.store, token)

    def _check_committed(self, task_id: str, token: str, result: bytes) -> None:
        """A commit whose answer was lost in an outage was made all the same."""
        fields = ("lease", "status", "res", "worker")
        document = next(self.store.find(self.pool, {"_id": task_id}, fields), None)
        if document and document.get("lease") == token and document.get("res") == result:
            return
        stop_renewing(self.store, token)
        if document is None:
            raise TaskNotFoundError(f"task {task_id} was removed from pool {self.pool!r}")
        raise LeaseError(
            f"task {task_id} of pool {self.pool!r} is not this worker's any more (it is "
            f"{document['status']!r}, last fetched by {document.get('worker')}): its lease ran "
            "out, or it was reset; the result is not kept"
        )

    def put_back(self, task: Mapping[str, Any], status: str, error: str | None = None) -> None:
        """Give a task back; nothing happens if it is not this worker's any more.

        Args:
            task: The task, as it was fetched.
            status: The status it gets.
            error: Why: then this was an attempt, and the last one allowed makes it ``failed``.
        """
        values: Document = {**RELEASED, "status": status, "attempts": task["attempts"] - 1}
        if error is not None:
            values |= {"attempts": task["attempts"], "error": error}
            if task["attempts"] >= self.max_attempts:
                values["status"] = FAILED
        try:
            if not self.store.update(self.pool, query_lease(task["_id"], task["lease"]), values):
                _log.warning("task %s was not this worker's any more", task["_id"])
        finally:  # where the store is away, the lease runs out by itself
            stop_renewing(self.store, task["lease"])

    def put_back_after(self, error: BaseException, task: Mapping[str, Any], status: str) -> None:
        """Give a task back whose work an exception has ended; an interruption is no attempt.

        Args:
            error: The exception; it is the one to see, so this raises none of the store's.
            task: The task, as it was fetched.
            status: The status it gets.
        """
        if isinstance(error, LeaseError):
            return  # another worker's by now
        if isinstance(error, PoolStoreError):
            stop_renewing(self.store, task["lease"])  # it runs out by itself
            return
        reason = describe_error(error) if isinstance(error, Exception) else None
        with contextlib.suppress(PoolStoreError):
            self.put_back(task, status, reason)


def check_fetched(task: Any, action: str) -> None:
    """Refuse a task that was not fetched.

    Args:
        task: The task.
        action: What is to be done with it, for messages.

    Raises:
        LeaseError: It has no lease.
    """
    if isinstance(task, Mapping) and task.get("lease"):
        return
    name = task.get("_id") if isinstance(task, Mapping) else task
    raise LeaseError(
        f"cannot {action} task {name}: it was not fetched; take it with fetch_task or "
        "safe_fetch_task, or change its status with reset_status"
    )
