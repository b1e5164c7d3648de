"""The pool in SQL: one table, in an SQLite file or in PostgreSQL."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from wf_dagster.errors import PoolInputError, PoolStoreError
from wf_dagster.extras import pip_command
from wf_dagster.pool.matching import meets
from wf_dagster.pool.stores.sql_query import SqlQueries
from wf_dagster.pool.stores.sql_schema import metadata, tasks
from wf_dagster.pool.stores.store_retry import RetryPolicy, call_with_retry, first_line
from wf_dagster.pool.stores.task_store import Document, Query, hide_password
from wf_dagster.sqlite_urls import sqlite_file

CONNECT_SECONDS = 5
_CLOCK_SECONDS = 600.0
_LOCK_SECONDS = 5.0  # then the patience of the store decides
_PORTION = 1000
_SCHEMA_LOCK = 7_406_213  # any number that others do not use
_SQLITE_PASSING = ("locked", "busy", "unable to open", "disk i/o")
_NOT_PASSING = ("28", "3D", "42", "22", "23")  # login, no such database, our own mistakes


class SqlStore:
    """Tasks in an SQL database.

    Args:
        url: ``sqlite:////path/to/file`` or ``postgresql://user:password@host:port/name``.
        patience: Seconds to wait for a database that goes away.

    Raises:
        PoolStoreError: The database does not answer or refuses the login.
    """

    def __init__(self, url: str, patience: float) -> None:
        self.address = hide_password(url)
        self.patience = patience
        self._retry = RetryPolicy(self.address, patience, SQLAlchemyError, self._may_pass)
        self._postgres = url.startswith("postgresql")
        self._queries = SqlQueries(tasks, self._postgres)
        self._clock = (0.0, float("-inf"))
        self._engine = _create_engine(url, self.address, self._postgres)
        try:
            self._create_table()
        except SQLAlchemyError as error:
            raise PoolStoreError(_explain_failure(self.address, error)) from error

    def _create_table(self) -> None:
        def create(_: bool) -> None:
            with self._engine.begin() as connection:
                if self._postgres:  # two that create a table at once would fail
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
                metadata.create_all(connection)

        if self._postgres:
            create(False)
        else:  # many processes may start on a new file at the same time
            call_with_retry(create, self._retry)

    def now(self) -> float:
        """The database's clock; an SQLite file is on this machine."""
        if not self._postgres:
            return time.time()
        difference, read = self._clock
        if time.monotonic() - read > _CLOCK_SECONDS:
            difference = call_with_retry(lambda _: self._read_clock(), self._retry)
            self._clock = (difference, time.monotonic())
        return time.time() + difference

    def _read_clock(self) -> float:
        """Seconds by which the database's clock is ahead of this machine's."""
        before = time.time()
        with self._connect_to_read() as connection:
            server_time = connection.scalar(
                sa.select(sa.extract("epoch", sa.func.clock_timestamp()))
            )
        return float(server_time or before) - (before + time.time()) / 2

    def insert(self, pool: str, documents: Sequence[Document]) -> None:
        """Insert those whose fingerprint is new; the unique index passes over the others."""
        if not documents:
            return
        dialect = postgresql if self._postgres else sqlite
        statement = dialect.insert(tasks).on_conflict_do_nothing()
        rows = [{**dict.fromkeys(_COLUMNS), **document, "pool": pool} for document in documents]

        def insert(_: bool) -> None:
            for start in range(0, len(rows), _PORTION):  # others may write in between
                with self._engine.begin() as connection:
                    connection.execute(statement, rows[start : start + _PORTION])

        call_with_retry(insert, self._retry)

    def ids(self, pool: str, fingerprints: Sequence[str]) -> dict[str, str]:
        """Ids by fingerprint."""
        condition = self._condition(pool, {"fingerprint": {"$in": list(fingerprints)}})
        statement = sa.select(tasks.c.fingerprint, tasks.c["_id"]).where(condition)

        def look_up(_: bool) -> dict[str, str]:
            with self._connect_to_read() as connection:
                return {row[0]: row[1] for row in connection.execute(statement)}

        return call_with_retry(look_up, self._retry)

    def claim(self, pool: str, query: Query, status: str, values: Document) -> Document | None:
        """Take the first task of a status that nobody else is about to take."""
        wanted = self._condition(pool, {**query, "status": {"$eq": status}})
        choice = (
            sa.select(*_FIELDS)
            .where(wanted)
            .order_by(tasks.c.turn)
            .limit(1)
            .with_for_update(skip_locked=True)  # SQLite's transaction shuts others out instead
        )
        mine = sa.select(*_FIELDS).where(tasks.c.lease == values["lease"])

        def claim(again: bool) -> Document | None:
            with self._engine.begin() as connection:
                if again and (row := connection.execute(mine).mappings().first()):
                    return _to_document(row)
                row = connection.execute(choice).mappings().first()
                if row is None:
                    return None
                taken = {**values, "attempts": row["attempts"] + 1}
                connection.execute(
                    sa.update(tasks).where(tasks.c["_id"] == row["_id"]).values(taken)
                )
                return _to_document({**row, **taken})

        return call_with_retry(claim, self._retry)

    def update(self, pool: str, query: Query, values: Document) -> int:
        """Set values of tasks."""
        statement = sa.update(tasks).where(self._condition(pool, query)).values(values)

        def update(_: bool) -> int:
            with self._engine.begin() as connection:
                return connection.execute(statement).rowcount

        return call_with_retry(update, self._retry)

    def find(
        self, pool: str, query: Query, fields: Iterable[str] | None = None
    ) -> Iterator[Document]:
        """Tasks by id, read in portions, so that nothing is locked while they are used."""
        condition = self._condition(pool, query)
        columns = _FIELDS if fields is None else [tasks.c[name] for name in {"_id", *fields}]
        after = ""
        while True:
            statement = (
                sa.select(*columns)
                .where(condition, tasks.c["_id"] > after)
                .order_by(tasks.c["_id"])
                .limit(_PORTION)
            )

            def read_portion(_: bool, statement: sa.Select[Any] = statement) -> list[Document]:
                with self._connect_to_read() as connection:
                    return [_to_document(row) for row in connection.execute(statement).mappings()]

            documents = call_with_retry(read_portion, self._retry)
            yield from documents
            if len(documents) < _PORTION:
                return
            after = documents[-1]["_id"]

    def count(self, pool: str, query: Query) -> dict[str, int]:
        """Number of tasks by status."""
        statement = (
            sa.select(tasks.c.status, sa.func.count())
            .where(self._condition(pool, query))
            .group_by(tasks.c.status)
        )

        def count(_: bool) -> dict[str, int]:
            with self._connect_to_read() as connection:
                return {row[0]: row[1] for row in connection.execute(statement)}

        return call_with_retry(count, self._retry)

    def delete(self, pool: str, query: Query) -> int:
        """Delete tasks."""
        statement = sa.delete(tasks).where(self._condition(pool, query))

        def delete(_: bool) -> int:
            with self._engine.begin() as connection:
                return connection.execute(statement).rowcount

        return call_with_retry(delete, self._retry)

    def pools(self) -> list[str]:
        """Names of the pools."""
        statement = sa.select(tasks.c.pool).distinct().order_by(tasks.c.pool)

        def pools(_: bool) -> list[str]:
            with self._connect_to_read() as connection:
                return list(connection.scalars(statement))

        return call_with_retry(pools, self._retry)

    def _condition(self, pool: str, query: Query) -> sa.ColumnElement[bool]:
        return sa.and_(tasks.c.pool == pool, self._queries.condition(query))

    def _connect_to_read(self) -> sa.Connection:
        """A connection whose reads wait for no writer."""
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def _may_pass(self, error: Exception) -> bool:
        if not isinstance(error, DBAPIError):
            return False
        if not self._postgres:
            return any(word in str(error.orig).lower() for word in _SQLITE_PASSING)
        state = getattr(error.orig, "sqlstate", None)
        if error.connection_invalidated or state is None:
            return isinstance(error, sa.exc.OperationalError) or error.connection_invalidated
        return not state.startswith(_NOT_PASSING)


_FIELDS = [column for column in tasks.c if column.name != "pool"]
_COLUMNS = [column.name for column in tasks.c]


def _to_document(row: Any) -> Document:
    return {name: value for name, value in dict(row).items() if value is not None}


def _create_engine(url: str, address: str, postgres: bool) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise PoolInputError(
            f"task store {address!r} is no address: {first_line(error)}"
        ) from error
    if postgres:
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        try:
            return sa.create_engine(
                parsed, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_SECONDS}
            )
        except ModuleNotFoundError as error:
            raise PoolStoreError(
                f"task store {address} needs the driver {error.name}, which is not installed: "
                f"{pip_command('postgres')}"
            ) from error
    _check_folder(sqlite_file(url), address)
    engine = sa.create_engine(parsed, connect_args={"timeout": _LOCK_SECONDS})
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _check_folder(file: Path | None, address: str) -> None:
    if file is None:
        raise PoolInputError(
            f"task store {address!r}: workers share a file; use sqlite:////path/to/tasks.db"
        )
    folder = file.absolute().parent
    if not folder.is_dir():
        raise PoolStoreError(
            f"task store {address}: the folder {folder} does not exist; make it, or give another "
            "with wf_dagster.init(task_store=...) or WF_TASK_STORE"
        )


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where the engine says, below
    connection.execute("PRAGMA journal_mode=WAL")  # readers and a writer at the same time
    connection.execute("PRAGMA synchronous=NORMAL")  # safe against processes that die
    connection.create_function("wf_meets", 4, _filter_meets, deterministic=True)


def _begin_sqlite(connection: sa.Connection) -> None:
    # at once: a transaction that only reads first could not become a writer later
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _filter_meets(document: Any, path: str, operator: str, value: str) -> bool:
    # SQLite itself turns a definition that is a bare number into one
    content = json.loads(document) if isinstance(document, str) else document
    return meets(content, json.loads(path), operator, json.loads(value))


def _explain_failure(address: str, error: SQLAlchemyError) -> str:
    reason = first_line(getattr(error, "orig", None) or error)
    if "authentication failed" in str(error) or "no password supplied" in str(error):
        return (
            f"the task store {address} refuses the login ({reason}): check the user and the "
            "password in the address"
        )
    return (
        f"the task store {address} does not answer ({reason}): start it, or give another with "
        "wf_dagster.init(task_store=...) or WF_TASK_STORE"
    )
