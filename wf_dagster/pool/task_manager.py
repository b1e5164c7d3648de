"""The task manager: a pool of tasks of which each is used once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, List  # noqa: UP035  (a method is called list)

from wf_dagster.errors import PoolError, PoolInputError, TaskNotFoundError
from wf_dagster.pool.claims import TaskClaims, check_fetched
from wf_dagster.pool.leases import RELEASED, release_expired
from wf_dagster.pool.payload import encode_result
from wf_dagster.pool.states import (
    DONE,
    FAILED,
    PART_DONE,
    RUNNING,
    UNDONE,
    WAITING,
    check_pool_name,
    check_priority,
    check_status,
    make_turn,
)
from wf_dagster.pool.store_access import list_trusted_modules, locate_store, open_located_store
from wf_dagster.pool.stores import Document, Query, Store, open_store
from wf_dagster.pool.task_documents import (
    Task,
    decode_task,
    hide_internals,
    make_document_of_task,
    read_task_id,
)
from wf_dagster.pool.task_insertion import (
    InsertOneResult,
    insert_definitions,
    insert_document,
    list_definitions,
    replace_document,
)
from wf_dagster.pool.task_query import prepare_query
from wf_dagster.pool.waiting import wait_for_tasks

LEASE_SECONDS = 60.0
PATIENCE_SECONDS = 60.0
MAX_ATTEMPTS = 3


class TaskManager:
    """A pool of tasks, shared by any number of processes and machines.

    A task is a dict with ``_id`` (24 hexadecimal digits), ``def`` (its definition), ``filter``
    (the definition as plain JSON, for queries), ``status`` (``waiting``, ``running``,
    ``part_done``, ``done`` or ``failed``), ``res`` (its result, once there is one), ``priority``
    (once it is set; larger ones are fetched first, tasks without one last, then older ones
    first), ``fingerprint``, ``attempts``, ``error`` (of the last attempt that failed) and
    ``worker``.

    A fetched task holds a lease that a thread renews. When its worker dies, the lease runs out
    and the task is handed out again, ``max_attempts`` times; then it is ``failed``.

    Args:
        task_pool: Name of the pool.
        url: ``mongodb://host:port/name``, ``sqlite:////path/to/file`` or ``postgresql://...``;
            default the setting ``task_store``, else that of ``qlib.init(mongo=...)``, else a file.
        lease: Seconds without a sign of life after which a worker counts as dead.
        max_attempts: Attempts after which a task is ``failed``.
        patience: Seconds to wait for a store that goes away.
        allow: Further modules whose classes may be loaded from definitions and results.

    Raises:
        PoolInputError: The name or the address is not usable.
        PoolStoreError: The store does not answer or refuses the login.

    Example:
        >>> import tempfile
        >>> pool = TaskManager("doc", f"sqlite:///{tempfile.mkdtemp()}/tasks.db")
        >>> ids = pool.create_task([{"model": "A"}, {"model": "B"}])
        >>> with pool.safe_fetch_task() as task:
        ...     pool.commit_task_res(task, 0.5)
        >>> pool.task_stat() == {"done": 1, "waiting": 1}
        True
    """

    STATUS_WAITING = WAITING
    STATUS_RUNNING = RUNNING
    STATUS_PART_DONE = PART_DONE
    STATUS_DONE = DONE
    STATUS_FAILED = FAILED

    def __init__(
        self,
        task_pool: str,
        url: str | None = None,
        *,
        lease: float = LEASE_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
        patience: float = PATIENCE_SECONDS,
        allow: Sequence[str] = (),
    ) -> None:
        self.task_pool = check_pool_name(task_pool)
        if not lease > 0 or max_attempts < 1:
            raise PoolInputError(
                f"lease={lease!r}, max_attempts={max_attempts!r}: both are larger than 0"
            )
        self.lease = lease
        self.max_attempts = max_attempts
        self._allow = tuple(allow)
        self._url = locate_store(url)
        self._patience = patience
        self._next_release = 0.0
        assert self._store  # connects, so that a wrong address is found here

    def __str__(self) -> str:
        return f"TaskManager({self.task_pool})"

    def __repr__(self) -> str:
        return f"TaskManager({self.task_pool!r}, {self._store.address!r})"

    @property
    def _store(self) -> Store:
        # asked for each time: a forked child gets connections of its own
        return open_store(self._url, self._patience)

    @property
    def _claims(self) -> TaskClaims:
        return TaskClaims(self._store, self.task_pool, self.lease, self.max_attempts)

    @property
    def address(self) -> str:
        """The store's address, without its password."""
        return self._store.address

    @staticmethod
    def list(url: str | None = None) -> List[str]:  # noqa: UP006
        """Names of the pools that hold a task, sorted.

        Args:
            url: The store, as for the constructor.
        """
        return open_located_store(url, PATIENCE_SECONDS).pools()

    def create_task(
        self, task_def_l: Iterable[Any], dry_run: bool = False, print_nt: bool = False
    ) -> List[str]:  # noqa: UP006
        """Insert the definitions that the pool does not hold yet.

        Args:
            task_def_l: Definitions.
            dry_run: Insert nothing.
            print_nt: Print the new ones.

        Returns:
            The id of each definition, in their order; nothing with ``dry_run``.

        Raises:
            TaskError: A definition has no canonical form.
            PoolInputError: It cannot be serialised, or is too big. Then nothing is inserted.
        """
        return insert_definitions(
            self._store,
            self.task_pool,
            list_definitions(task_def_l),
            dry_run=dry_run,
            print_new=print_nt,
        )

    def insert_task_def(self, task_def: Any) -> InsertOneResult:
        """Insert a definition; one that is there already stays as it is."""
        return InsertOneResult(self.create_task([task_def])[0])

    def insert_task(self, task: Mapping[str, Any]) -> InsertOneResult:
        """Insert a whole task: ``def``, perhaps ``filter``, ``status``, ``priority``, ``res``.

        Raises:
            PoolInputError: A field is missing, unknown or wrong.
        """
        document = make_document_of_task(task, self.task_pool)
        return InsertOneResult(insert_document(self._store, self.task_pool, document))

    def replace_task(self, task: Mapping[str, Any], new_task: Mapping[str, Any]) -> None:
        """Put a whole task in the place of another, whose id it takes over.

        Raises:
            TaskNotFoundError: The pool does not hold ``task``.
            PoolError: It holds another task with the new definition.
        """
        document = make_document_of_task(new_task, self.task_pool)
        task_id = read_task_id(task)
        if not replace_document(self._store, self.task_pool, task_id, document):
            raise self._not_found(task_id)

    def fetch_task(self, query: Query | None = None, status: str = WAITING) -> Task | None:
        """Take a task: it is ``running`` and this worker's until it is committed or returned.

        Args:
            query: Only tasks that it finds; its own ``status`` is not looked at.
            status: ``waiting``, ``part_done``, or whichever is to be worked on again.

        Returns:
            The task; ``None`` when there is none.

        Raises:
            PoolInputError: ``status`` is ``running``: such a task is another worker's.
        """
        if check_status(status) == RUNNING:
            raise PoolInputError(
                "status 'running': such tasks are other workers'; they come back by themselves "
                "when the worker is dead, or with reset_waiting"
            )
        conditions = {
            field: value for field, value in prepare_query(query).items() if field != "status"
        }
        if time.monotonic() > self._next_release:
            self.reap()
        while True:
            document = self._claims.claim(conditions, status)
            if document is not None:
                return self._decode_fetched(document, status)
            if not self.reap():
                return None

    def reap(self) -> int:
        """Put back the tasks of dead workers; :meth:`fetch_task` and :meth:`wait` do it too.

        Returns:
            How many there were.
        """
        self._next_release = time.monotonic() + self.lease / 4
        return release_expired(self._store, self.task_pool, self.max_attempts)

    def _decode_fetched(self, document: Document, status: str) -> Task:
        if status == WAITING:  # a result of before is about to be replaced, and may be damaged
            document.pop("res", None)
        try:
            return self._decode(document)
        except PoolError as error:  # damaged: no attempt will do better
            self._claims.put_back(document, FAILED, str(error))
            raise
        except BaseException as error:
            self._claims.put_back_after(error, document, status)
            raise

    @contextmanager
    def safe_fetch_task(
        self, query: Query | None = None, status: str = WAITING
    ) -> Iterator[Task | None]:
        """Fetch a task for the block; any exception, Ctrl-C included, gives it back.

        An exception counts as an attempt; the last one allowed makes the task ``failed``. Being
        interrupted (Ctrl-C, ``SystemExit``) does not.
        """
        task = self.fetch_task(query, status)
        try:
            yield task
        except BaseException as error:
            if task is not None:
                self._claims.put_back_after(error, task, status)
            raise

    def task_fetcher_iter(self, query: Query | None = None) -> Iterator[Task]:
        """Fetch task after task, until there is none; commit each before the next."""
        while True:
            with self.safe_fetch_task(query) as task:
                if task is None:
                    return
                yield task

    def commit_task_res(self, task: Mapping[str, Any], res: Any, status: str | None = DONE) -> None:
        """Keep the result of a fetched task.

        Args:
            task: The task, as it was fetched.
            res: Any result; recorders are kept as their ids, big results by a recorder.
            status: The task's status from now on; ``running`` keeps the lease.

        Raises:
            LeaseError: It was never fetched, or its lease was lost; nothing is changed.
            PoolInputError: The result cannot be serialised, or the status is unknown.
        """
        status = check_status(DONE if status is None else status)
        check_fetched(task, "commit the result of")
        label = f"the result of task {task['_id']}"
        content = encode_result(res, label, self.task_pool)
        self._claims.commit(task, content, status)

    def return_task(
        self, task: Mapping[str, Any], status: str | None = WAITING, *, error: str | None = None
    ) -> None:
        """Give a fetched task back; nothing happens if it is not this worker's any more.

        Args:
            task: The task, as it was fetched.
            status: The status it gets.
            error: Why: then this was an attempt, and after ``max_attempts`` of them the task is
                ``failed``.
        """
        status = check_status(WAITING if status is None else status)
        check_fetched(task, "return")
        self._claims.put_back(task, status, error)

    def query(self, query: Query | None = None, decode: bool = True) -> Iterator[Task]:
        """The tasks that a query finds, by age.

        Args:
            query: MongoDB-style: ``_id``, ``status``, ``priority``, dotted ``filter.…`` paths, ...
                with values or ``$eq $ne $in $nin $gt $gte $lt $lte $exists``, ``$and``, ``$or``.
            decode: Load ``def`` and ``res``; otherwise they are bytes.
        """
        for document in self._store.find(self.task_pool, prepare_query(query)):
            document.pop("lease", None)  # only who fetched it may commit it
            yield self._decode(document) if decode else hide_internals(document)

    def re_query(self, _id: Any) -> Task:
        """The task of an id, as it is now.

        Raises:
            TaskNotFoundError: There is none.
        """
        for task in self.query({"_id": _id}):
            return task
        raise self._not_found(_id)

    def task_stat(self, query: Query | None = None) -> dict[str, int]:
        """Number of tasks by status; a status without tasks is left out."""
        return self._store.count(self.task_pool, prepare_query(query))

    def wait(
        self,
        query: Query | None = None,
        *,
        interval: float = 1.0,
        timeout: float | None = None,
        until: Sequence[str] = (DONE, FAILED),
    ) -> dict[str, int]:
        """Wait until no task is waiting, running or part done, with a progress bar.

        Args:
            query: Which tasks.
            interval: Seconds between two looks.
            timeout: Seconds after which to give up; default never.
            until: Statuses that need not be waited for.

        Returns:
            Number of tasks by status.

        Raises:
            TimeoutError: ``timeout`` passed.
        """
        pending = [status for status in UNDONE if status not in until]
        return wait_for_tasks(self, query, pending, interval=interval, timeout=timeout)

    def prioritize(self, task: Mapping[str, Any], priority: float) -> None:
        """Set the priority of a task: larger ones are fetched first."""
        task_id = read_task_id(task)
        number = check_priority(priority)
        values = {"priority": number, "turn": make_turn(number, task_id)}
        if not self._store.update(self.task_pool, {"_id": task_id}, values):
            raise self._not_found(task_id)

    def reset_waiting(self, query: Query | None = None) -> int:
        """Set running tasks (or those of the query's own ``status``) waiting.

        Whoever holds one of them cannot commit it any more.

        Returns:
            How many there were.
        """
        query = dict(query or {})
        query.setdefault("status", RUNNING)
        return self.reset_status(query, WAITING)

    def reset_status(self, query: Query | None, status: str) -> int:
        """Set the status of tasks, and their attempts to none.

        Returns:
            How many there were.
        """
        values: Document = {**RELEASED, "status": check_status(status), "attempts": 0}
        if status == RUNNING:  # nobody's: it goes back when this lease has run out
            values |= {"lease_until": self._store.now() + self.lease, "fetched_from": WAITING}
        if status in (*UNDONE, DONE):
            values["error"] = None
        return self._store.update(self.task_pool, prepare_query(query), values)

    def remove(self, query: Query | None = None) -> int:
        """Remove the tasks that a query finds; without one, all.

        Returns:
            How many there were.
        """
        return self._store.delete(self.task_pool, prepare_query(query))

    def _not_found(self, task_id: Any) -> TaskNotFoundError:
        return TaskNotFoundError(f"pool {self.task_pool!r} holds no task {str(task_id)!r}")

    def _decode(self, document: Document) -> Task:
        return decode_task(document, self.task_pool, (*self._allow, *list_trusted_modules()))
