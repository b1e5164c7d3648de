"""Leases: a fetched task belongs to its worker for as long as the worker lives."""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass

from wf_dagster.errors import PoolError
from wf_dagster.pool.states import FAILED, RUNNING, STATUSES
from wf_dagster.pool.stores import Document, Query, Store

_log = logging.getLogger(__name__)
RELEASED: Document = {"lease": None, "lease_until": None, "fetched_from": None}
LOST = "its worker stopped answering: the lease ran out"


def worker_name() -> str:
    """This process, as other machines see it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def query_lease(task_id: str, token: str) -> Query:
    """Finds a task as long as it is held under this lease."""
    return {"_id": task_id, "lease": {"$eq": token}, "status": {"$eq": RUNNING}}


@dataclass(frozen=True)
class Lease:
    """A task that this process has fetched.

    Attributes:
        pool: Name of its pool.
        task_id: Its id.
        token: What tells this fetch from any other.
        seconds: Without a sign of life for so long, its worker counts as dead.
    """

    pool: str
    task_id: str
    token: str
    seconds: float


class LeaseRenewer:
    """Renews the leases of one store in a thread, until they are removed.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        """Renew a lease four times in its length from now on."""
        with self._lock:
            self._leases[lease.token] = lease
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="wf-pool-leases", daemon=True
                )
                self._thread.start()
        self._changed.set()  # the new one may be the shortest

    def remove(self, token: str) -> None:
        """Renew a lease no more."""
        with self._lock:
            self._leases.pop(token, None)

    def _run(self) -> None:
        while True:
            with self._lock:
                leases = list(self._leases.values())
                if not leases:
                    self._thread = None
                    return
            pause = min(lease.seconds for lease in leases) / 4
            if self._changed.wait(pause):
                self._changed.clear()
                continue
            for lease in leases:
                self._renew(lease)

    def _renew(self, lease: Lease) -> None:
        query = query_lease(lease.task_id, lease.token)
        try:
            until = self._store.now() + lease.seconds
            if not self._store.update(lease.pool, query, {"lease_until": until}):
                self.remove(lease.token)  # lost, or committed a moment ago
        except PoolError as error:  # the next round tries again
            _log.warning("the lease of task %s could not be renewed: %s", lease.task_id, error)


_renewers: dict[Store, LeaseRenewer] = {}
_renewers_lock = threading.Lock()


def start_renewing(store: Store, lease: Lease) -> None:
    """Renew a lease from now on, whatever becomes of the manager that fetched the task."""
    with _renewers_lock:
        renewer = _renewers.setdefault(store, LeaseRenewer(store))
    renewer.add(lease)


def stop_renewing(store: Store, token: str) -> None:
    """Renew a lease no more."""
    with _renewers_lock:
        renewer = _renewers.get(store)
    if renewer is not None:
        renewer.remove(token)


def _forget_renewers() -> None:
    """A forked child has neither its parent's threads nor its tasks."""
    global _renewers_lock
    _renewers_lock = threading.Lock()
    _renewers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_renewers)


def release_expired(store: Store, pool: str, max_attempts: int) -> int:
    """Put back the tasks whose leases ran out, or fail them after too many attempts.

    Returns:
        How many there were.
    """
    expired = {"lease_until": {"$lt": store.now()}}
    if not store.count(pool, expired):
        return 0
    failed = store.update(
        pool,
        {**expired, "attempts": {"$gte": max_attempts}},
        {**RELEASED, "status": FAILED, "error": LOST},
    )
    released = [
        store.update(
            pool,
            {**expired, "fetched_from": {"$eq": status}},
            {**RELEASED, "status": status, "error": LOST},
        )
        for status in STATUSES
    ]
    return failed + sum(released)
