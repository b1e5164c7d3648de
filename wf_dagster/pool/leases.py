"""Leases: a fetched task belongs to its worker for as long as the worker lives."""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import dataclass

from wf_dagster.errors import PoolError
from wf_dagster.pool.states import FAILED, RUNNING, STATUSES
from wf_dagster.pool.stores import Document, Store

_log = logging.getLogger(__name__)
RELEASED: Document = {"lease": None, "lease_until": None, "fetched_from": None}
LOST = "its worker stopped answering: the lease ran out"


def worker_name() -> str:
    """This process, as other machines see it."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True)
class Held:
    """A task that this process has fetched."""

    pool: str
    task_id: str
    token: str
    seconds: float


class _Keeper:
    """Renews the leases of one store in a thread, until they are let go."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, held: Held) -> None:
        with self._lock:
            self._held[held.token] = held
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="wf-pool-leases", daemon=True
                )
                self._thread.start()
        self._changed.set()  # the new one may be the shortest

    def let_go(self, token: str) -> None:
        with self._lock:
            self._held.pop(token, None)

    def _run(self) -> None:
        while True:
            with self._lock:
                held = list(self._held.values())
                if not held:
                    self._thread = None
                    return
            pause = min(one.seconds for one in held) / 4
            if self._changed.wait(pause):
                self._changed.clear()
                continue
            for one in held:
                self._renew(one)

    def _renew(self, one: Held) -> None:
        mine = {"_id": one.task_id, "lease": {"$eq": one.token}, "status": {"$eq": RUNNING}}
        try:
            until = self._store.now() + one.seconds
            if not self._store.update(one.pool, mine, {"lease_until": until}):
                self.let_go(one.token)  # lost, or committed a moment ago
        except PoolError as error:  # the next round tries again
            _log.warning("the lease of task %s could not be renewed: %s", one.task_id, error)


_keepers: dict[Store, _Keeper] = {}
_keepers_lock = threading.Lock()


def hold(store: Store, held: Held) -> None:
    """Renew a lease from now on, whatever becomes of the manager that fetched the task."""
    with _keepers_lock:
        keeper = _keepers.setdefault(store, _Keeper(store))
    keeper.hold(held)


def let_go(store: Store, token: str) -> None:
    """Renew a lease no more."""
    with _keepers_lock:
        keeper = _keepers.get(store)
    if keeper is not None:
        keeper.let_go(token)


def _forget() -> None:
    """A forked child has neither its parent's threads nor its tasks."""
    global _keepers_lock
    _keepers_lock = threading.Lock()
    _keepers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def reap(store: Store, pool: str, max_attempts: int) -> int:
    """Put back the tasks whose leases ran out, or fail them after too many attempts.

    Returns:
        How many there were.
    """
    over = {"lease_until": {"$lt": store.now()}}
    if not store.count(pool, over):
        return 0
    failed = store.update(
        pool,
        {**over, "attempts": {"$gte": max_attempts}},
        {**RELEASED, "status": FAILED, "error": LOST},
    )
    back = [
        store.update(
            pool,
            {**over, "fetched_from": {"$eq": status}},
            {**RELEASED, "status": status, "error": LOST},
        )
        for status in STATUSES
    ]
    return failed + sum(back)
