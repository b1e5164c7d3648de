"""The task manager: a pool of tasks of which each is used once."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, List  # noqa: UP035  (a method is called list)

from wf_dagster.errors import (
    LeaseError,
    PoolError,
    PoolInputError,
    PoolStoreError,
    TaskNotFoundError,
)
from wf_dagster.market import adopt_qlib_init
from wf_dagster.pool import leases
from wf_dagster.pool.identity import describe, new_id
from wf_dagster.pool.payload import decode, encode, encode_result
from wf_dagster.pool.query import prepare
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
    turn,
)
from wf_dagster.pool.stores import Document, Store, open_store
from wf_dagster.settings import get_settings

Query = Mapping[str, Any]
Task = dict[str, Any]
_log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
PATIENCE_SECONDS = 60.0
MAX_ATTEMPTS = 3
DEFINITION_LIMIT = 4_000_000  # bytes; MongoDB's document of 16 MB holds it twice, and a result
_SETTABLE = {"_id", "def", "filter", "status", "res", "priority"}
_MINE = ("turn", "fetched_from")  # how a store works, of no use to the user


class InsertOneResult:
    """What an insertion gives back.

    Attributes:
        inserted_id: Id of the task; that of the one that was there, if the definition is known.
    """

    def __init__(self, inserted_id: str) -> None:
        self.inserted_id = inserted_id

    def __repr__(self) -> str:
        return f"InsertOneResult({self.inserted_id!r})"


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
            default the setting ``task_store``, without it what ``qlib.init(mongo=...)`` was given,
            and without both an SQLite file in ``home``.
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
        self._allow = allow
        self._url = url or _default_url()
        self._patience = patience
        self._next_look = 0.0
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
    def address(self) -> str:
        """The store's address, without its password."""
        return self._store.address

    @staticmethod
    def list(url: str | None = None) -> List[str]:  # noqa: UP006
        """Names of the pools that hold a task, sorted.

        Args:
            url: The store, as for the constructor.
        """
        return _store(url, PATIENCE_SECONDS).pools()

    # put in

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
        if isinstance(task_def_l, (str, bytes)) or not isinstance(task_def_l, Iterable):
            raise PoolInputError(f"create_task got {task_def_l!r}: give a list of definitions")
        definitions = [task_def_l] if isinstance(task_def_l, Mapping) else [*task_def_l]
        identities = [describe(definition) for definition in definitions]
        prints = [fingerprint for fingerprint, _ in identities]
        ids = self._store.ids(self.task_pool, prints) if prints else {}
        new: dict[str, Document] = {}
        for position, (definition, (fingerprint, plain)) in enumerate(
            zip(definitions, identities, strict=True)
        ):
            if fingerprint not in ids and fingerprint not in new:
                what = f"task {position} of {len(definitions)}"
                new[fingerprint] = self._document(definition, fingerprint, plain, what)
                if print_nt:
                    print(definition)
        _log.info("pool %s: %d tasks, %d new", self.task_pool, len(prints), len(new))
        if dry_run:
            return []
        if new:
            self._store.insert(self.task_pool, list(new.values()))
            # another process may have been quicker with some of them
            ids.update(self._store.ids(self.task_pool, list(new)))
        return [ids[fingerprint] for fingerprint in prints]

    def insert_task_def(self, task_def: Any) -> InsertOneResult:
        """Insert a definition; one that is there already stays as it is."""
        return InsertOneResult(self.create_task([task_def])[0])

    def insert_task(self, task: Mapping[str, Any]) -> InsertOneResult:
        """Insert a whole task: ``def``, perhaps ``filter``, ``status``, ``priority``, ``res``.

        Raises:
            PoolInputError: A field is missing, unknown or wrong.
        """
        document = self._from_user(task)
        self._store.insert(self.task_pool, [document])
        found = self._store.ids(self.task_pool, [document["fingerprint"]])
        if not found:
            raise PoolInputError(f"there is another task with the id {document['_id']!r}")
        return InsertOneResult(found[document["fingerprint"]])

    def replace_task(self, task: Mapping[str, Any], new_task: Mapping[str, Any]) -> None:
        """Put a whole task in the place of another, whose id it takes over.

        Raises:
            TaskNotFoundError: The pool does not hold ``task``.
            PoolError: It holds another task with the new definition.
        """
        document = self._from_user(new_task)
        empty = dict.fromkeys(("res", "priority", "error", "worker"))
        task_id = _id_of(task)
        other = self._store.ids(self.task_pool, [document["fingerprint"]])
        if set(other.values()) - {task_id}:
            raise PoolError(
                f"pool {self.task_pool!r} already holds a task with this definition: it is "
                f"{other[document['fingerprint']]}"
            )
        document["turn"] = turn(document.get("priority"), task_id)
        del document["_id"]
        values = {**empty, **leases.RELEASED, **document}
        self._one(task_id, self._store.update(self.task_pool, {"_id": task_id}, values))

    def _from_user(self, task: Mapping[str, Any]) -> Document:
        if not isinstance(task, Mapping) or "def" not in task:
            raise PoolInputError("a task is a dict with its definition under 'def'")
        unknown = sorted(set(map(str, task)) - _SETTABLE)
        if unknown:
            raise PoolInputError(
                f"task field {unknown[0]!r} is unknown: use {', '.join(sorted(_SETTABLE))}"
            )
        definition = task["def"]
        fingerprint, plain = describe(definition)
        if task.get("filter") is not None:
            plain = describe(task["filter"])[1]
        document = self._document(definition, fingerprint, plain, "the task")
        if task.get("_id") is not None:
            document["_id"] = str(task["_id"])
        document["status"] = check_status(task.get("status", WAITING))
        document["priority"] = check_priority(task.get("priority"))
        document["turn"] = turn(document["priority"], document["_id"])
        if "res" in task:
            what = f"the result of task {document['_id']}"
            document["res"] = encode_result(task["res"], what, self.task_pool)
        return document

    def _document(self, definition: Any, fingerprint: str, plain: Any, what: str) -> Document:
        task_id = new_id()
        content = encode(definition, what)
        if len(content) > DEFINITION_LIMIT:
            raise PoolInputError(
                f"{what} has {len(content):,} bytes, more than the {DEFINITION_LIMIT:,} that a "
                "definition may have: name a file or a recorder that holds the data"
            )
        return {
            "_id": task_id,
            "fingerprint": fingerprint,
            "def": content,
            "filter": plain,
            "status": WAITING,
            "turn": turn(None, task_id),
            "attempts": 0,
        }

    # take out and give back

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
        wanted = {key: value for key, value in prepare(query).items() if key != "status"}
        if time.monotonic() > self._next_look:
            self.reap()
        while True:
            token = secrets.token_hex(16)
            document = self._store.claim(
                self.task_pool,
                wanted,
                status,
                {
                    "status": RUNNING,
                    "lease": token,
                    "lease_until": self._store.now() + self.lease,
                    "fetched_from": status,
                    "worker": leases.worker_name(),
                },
            )
            if document is not None:
                held = leases.Held(self.task_pool, document["_id"], token, self.lease)
                leases.hold(self._store, held)
                return self._loaded(document, status)
            if not self.reap():
                return None

    def reap(self) -> int:
        """Put back the tasks of dead workers; :meth:`fetch_task` and :meth:`wait` do it too.

        Returns:
            How many there were.
        """
        self._next_look = time.monotonic() + self.lease / 4
        return leases.reap(self._store, self.task_pool, self.max_attempts)

    def _loaded(self, document: Document, status: str) -> Task:
        if status == WAITING:  # a result of before is about to be replaced, and may be damaged
            document.pop("res", None)
        try:
            return self._decode(document)
        except PoolError as error:  # damaged: no attempt will do better
            self._put_back(document, FAILED, str(error), used=True)
            raise
        except BaseException as error:
            self._give_back(document, status, error)
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
                self._give_back(task, status, error)
            raise

    def _give_back(self, task: Task, status: str, error: BaseException) -> None:
        if isinstance(error, LeaseError):
            return  # another worker's by now
        if isinstance(error, PoolStoreError):
            leases.let_go(self._store, task["lease"])  # it runs out by itself
            return
        with contextlib.suppress(PoolStoreError):  # the block's own error is the one to see
            if isinstance(error, Exception):
                self.return_task(task, status, error=_said(error))
            else:
                self.return_task(task, status)

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
        token = self._token(task, "commit the result of")
        task_id = str(task["_id"])
        what = f"the result of task {task_id}"
        values: Document = {
            "status": status,
            "res": encode_result(res, what, self.task_pool),
            "error": None,
        }
        if status != DONE:  # the next step has attempts of its own
            values["attempts"] = 0
        if status != RUNNING:
            values |= {"lease_until": None, "fetched_from": None}
        mine = {"_id": task_id, "lease": {"$eq": token}, "status": {"$eq": RUNNING}}
        if not self._store.update(self.task_pool, mine, values):
            self._check_committed(task_id, token, values["res"])
        if status != RUNNING:
            leases.let_go(self._store, token)

    def _check_committed(self, task_id: str, token: str, res: bytes) -> None:
        """A commit whose answer was lost in an outage was made all the same."""
        fields = ("lease", "status", "res", "worker")
        found = next(self._store.find(self.task_pool, {"_id": task_id}, fields), None)
        if found and found.get("lease") == token and found.get("res") == res:
            return
        leases.let_go(self._store, token)
        if found is None:
            raise TaskNotFoundError(f"task {task_id} was removed from pool {self.task_pool!r}")
        raise LeaseError(
            f"task {task_id} of pool {self.task_pool!r} is not this worker's any more (it is "
            f"{found['status']!r}, last fetched by {found.get('worker')}): its lease ran out, or "
            "it was reset; the result is not kept"
        )

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
        self._token(task, "return")
        if error is not None and task["attempts"] >= self.max_attempts:
            status = FAILED
        self._put_back(task, status, error, used=error is not None)

    def _put_back(
        self, task: Mapping[str, Any], status: str, error: str | None, used: bool
    ) -> None:
        attempts = task["attempts"] if used else task["attempts"] - 1
        values: Document = {**leases.RELEASED, "status": status, "attempts": attempts}
        if error is not None:
            values["error"] = error
        mine = {
            "_id": task["_id"],
            "lease": {"$eq": task["lease"]},
            "status": {"$eq": RUNNING},
        }
        try:
            if not self._store.update(self.task_pool, mine, values):
                _log.warning("task %s was not this worker's any more", task["_id"])
        finally:  # where the store is away, the lease runs out by itself
            leases.let_go(self._store, task["lease"])

    def _token(self, task: Mapping[str, Any], doing: str) -> str:
        token = task.get("lease") if isinstance(task, Mapping) else None
        if not token:
            shown = task.get("_id") if isinstance(task, Mapping) else task
            raise LeaseError(
                f"cannot {doing} task {shown}: it was not fetched; take it with fetch_task or "
                "safe_fetch_task, or change its status with reset_status"
            )
        return str(token)

    # look

    def query(self, query: Query | None = None, decode: bool = True) -> Iterator[Task]:
        """The tasks that a query finds, by age.

        Args:
            query: MongoDB-style: ``_id``, ``status``, ``priority``, dotted ``filter.…`` paths, ...
                with values or ``$eq $ne $in $nin $gt $gte $lt $lte $exists``, ``$and``, ``$or``.
            decode: Load ``def`` and ``res``; otherwise they are bytes.
        """
        for document in self._store.find(self.task_pool, prepare(query)):
            document.pop("lease", None)  # only who fetched it may commit it
            yield self._decode(document) if decode else _shown(document)

    def re_query(self, _id: Any) -> Task:
        """The task of an id, as it is now.

        Raises:
            TaskNotFoundError: There is none.
        """
        for task in self.query({"_id": _id}):
            return task
        raise self._unknown(_id)

    def task_stat(self, query: Query | None = None) -> dict[str, int]:
        """Number of tasks by status; a status without tasks is left out."""
        return self._store.count(self.task_pool, prepare(query))

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
        from wf_dagster.pool.waiting import wait

        pending = [status for status in UNDONE if status not in until]
        return wait(self, query, pending, interval=interval, timeout=timeout)

    # change

    def prioritize(self, task: Mapping[str, Any], priority: float) -> None:
        """Set the priority of a task: larger ones are fetched first."""
        task_id = _id_of(task)
        checked = check_priority(priority)
        values = {"priority": checked, "turn": turn(checked, task_id)}
        self._one(task_id, self._store.update(self.task_pool, {"_id": task_id}, values))

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
        values: Document = {**leases.RELEASED, "status": check_status(status), "attempts": 0}
        if status == RUNNING:  # nobody's: it goes back when this lease has run out
            values |= {"lease_until": self._store.now() + self.lease, "fetched_from": WAITING}
        if status in (*UNDONE, DONE):
            values["error"] = None
        return self._store.update(self.task_pool, prepare(query), values)

    def remove(self, query: Query | None = None) -> int:
        """Remove the tasks that a query finds; without one, all.

        Returns:
            How many there were.
        """
        return self._store.delete(self.task_pool, prepare(query))

    def _one(self, task_id: str, changed: int) -> None:
        if not changed:
            raise self._unknown(task_id)

    def _unknown(self, task_id: Any) -> TaskNotFoundError:
        return TaskNotFoundError(f"pool {self.task_pool!r} holds no task {str(task_id)!r}")

    def _decode(self, document: Document) -> Task:
        task = _shown(document)
        for field, what in (("def", "the definition"), ("res", "the result")):
            if field in task:
                name = f"{what} of task {task['_id']} in pool {self.task_pool!r}"
                task[field] = decode(task[field], name, self._allow)
        return task


def _store(url: str | None, patience: float) -> Store:
    return open_store(url or _default_url(), patience)


def _default_url() -> str:
    adopt_qlib_init()
    return get_settings().resolved_task_store()


def _id_of(task: Any) -> str:
    if not isinstance(task, Mapping) or "_id" not in task:
        raise PoolInputError(f"{task!r} is no task: give a dict with its '_id'")
    return str(task["_id"])


def _shown(document: Document) -> Task:
    return {name: value for name, value in document.items() if name not in _MINE}


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:2000]
