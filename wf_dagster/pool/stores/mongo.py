"""The pool in MongoDB: one collection a pool."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bson.binary import Binary
from pymongo import ASCENDING, MongoClient, ReturnDocument
from pymongo.database import Database
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

from wf_dagster.errors import PoolInputError, PoolStoreError
from wf_dagster.pool.stores.store_retry import RetryPolicy, call_with_retry, first_line
from wf_dagster.pool.stores.task_store import Document, Query, hide_password

DATABASE = "wf_dagster"
CONNECT_SECONDS = 5.0
_CLOCK_SECONDS = 600.0  # how long the difference to the server's clock is believed
_DUPLICATE = 11000
_LOGIN = {13, 18, 8000}
_SHUTTING_DOWN = {91, 189, 10107, 11600, 11602, 13435, 13436}
_LOOK_UP = 10_000  # fingerprints in one query
_PORTION = 1000  # documents that are read at once


class MongoStore:
    """Tasks in a MongoDB database.

    Args:
        url: ``mongodb://[user:password@]host:port[/name]``; the database is ``wf_dagster`` unless
            the address names another.
        patience: Seconds to wait for a server that goes away.

    Raises:
        PoolStoreError: The server does not answer or refuses the login.
    """

    def __init__(self, url: str, patience: float) -> None:
        self.address = hide_password(url)
        self.patience = patience
        self._retry = RetryPolicy(self.address, patience, PyMongoError, _may_pass)
        self._ready: set[str] = set()
        self._clock = (0.0, float("-inf"))
        try:
            self._client: MongoClient[Document] = MongoClient(
                url,
                serverSelectionTimeoutMS=int(CONNECT_SECONDS * 1000),
                connectTimeoutMS=int(CONNECT_SECONDS * 1000),
                socketTimeoutMS=int(max(patience, CONNECT_SECONDS) * 1000),
            )
            self._database = self._client.get_default_database(DATABASE)
            self._set_clock()
            self._database.list_collection_names()  # a login is only proved by using it
        except (ConfigurationError, InvalidURI, ValueError) as error:
            raise PoolInputError(
                f"task store {self.address!r}: {first_line(error)}; use mongodb://host:port/name"
            ) from error
        except OperationFailure as error:
            raise PoolStoreError(_explain_refusal(self.address, error)) from error
        except PyMongoError as error:
            raise PoolStoreError(
                f"the task store {self.address} does not answer ({first_line(error)}): start it, "
                "or give another with wf_dagster.init(task_store=...) or WF_TASK_STORE"
            ) from error

    @property
    def database(self) -> Database[Document]:
        """What holds a collection a pool."""
        return self._database

    def now(self) -> float:
        """The server's clock."""
        difference, read = self._clock
        if time.monotonic() - read > _CLOCK_SECONDS:
            call_with_retry(lambda _: self._set_clock(), self._retry)
            difference = self._clock[0]
        return time.time() + difference

    def _set_clock(self) -> None:
        before = time.time()
        server_time = self._client.admin.command("hello").get("localTime")
        between = (before + time.time()) / 2
        difference = 0.0
        if server_time is not None:
            seconds = calendar.timegm(server_time.timetuple()) + server_time.microsecond / 1e6
            difference = seconds - between
        self._clock = (difference, time.monotonic())

    def insert(self, pool: str, documents: Sequence[Document]) -> None:
        """Insert those whose fingerprint is new; the unique index refuses the others."""
        mongo_documents = [_to_mongo(document) for document in documents]

        def insert(_: bool) -> None:
            self._create_indexes(pool)
            try:
                self._database[pool].insert_many(mongo_documents, ordered=False)
            except BulkWriteError as error:
                errors = [e for e in error.details["writeErrors"] if e.get("code") != _DUPLICATE]
                if errors:
                    # the whole error would show every document
                    raise PoolStoreError(
                        f"the task store {self.address} failed: {errors[0].get('errmsg')}"
                    ) from None

        if mongo_documents:
            call_with_retry(insert, self._retry)

    def _create_indexes(self, pool: str) -> None:
        """The indexes of a pool; making one that is there does nothing."""
        if pool in self._ready:
            return
        collection = self._database[pool]
        collection.create_index(
            "fingerprint",
            unique=True,
            partialFilterExpression={"fingerprint": {"$exists": True}},  # pools that Qlib made
        )
        collection.create_index([("status", ASCENDING), ("turn", ASCENDING)])
        collection.create_index("lease_until")
        self._ready.add(pool)

    def ids(self, pool: str, fingerprints: Sequence[str]) -> dict[str, str]:
        """Ids by fingerprint."""

        def look_up(_: bool) -> dict[str, str]:
            ids: dict[str, str] = {}
            for start in range(0, len(fingerprints), _LOOK_UP):
                portion = list(fingerprints[start : start + _LOOK_UP])
                query = {"fingerprint": {"$in": portion}}
                for document in self._database[pool].find(query, {"fingerprint": 1}):
                    ids[document["fingerprint"]] = str(document["_id"])
            return ids

        return call_with_retry(look_up, self._retry)

    def claim(self, pool: str, query: Query, status: str, values: Document) -> Document | None:
        """Take the first task of a status, in one step of the server."""
        wanted = {**query, "status": {"$eq": status}}
        change = {**_change(values), "$inc": {"attempts": 1}}

        def claim(again: bool) -> Document | None:
            collection = self._database[pool]
            document = collection.find_one({"lease": values["lease"]}) if again else None
            if document is None:
                document = collection.find_one_and_update(
                    wanted,
                    change,
                    sort=[("turn", ASCENDING)],
                    return_document=ReturnDocument.AFTER,
                )
            return None if document is None else _from_mongo(document)

        return call_with_retry(claim, self._retry)

    def update(self, pool: str, query: Query, values: Document) -> int:
        """Set values of tasks."""
        change = _change(values)

        def update(_: bool) -> int:
            return self._database[pool].update_many(dict(query), change).matched_count

        return call_with_retry(update, self._retry)

    def find(
        self, pool: str, query: Query, fields: Iterable[str] | None = None
    ) -> Iterator[Document]:
        """Tasks by id, read in portions, so that no cursor times out while they are used."""
        projection = None if fields is None else dict.fromkeys(fields, 1)
        after: Any = None
        while True:
            more = dict(query) if after is None else {"$and": [{"_id": {"$gt": after}}, query]}

            def read_portion(_: bool, more: Document = more) -> list[Document]:
                cursor = self._database[pool].find(more, projection)
                return list(cursor.sort("_id", ASCENDING).limit(_PORTION))

            documents = call_with_retry(read_portion, self._retry)
            for document in documents:
                yield _from_mongo(document)
            if len(documents) < _PORTION:
                return
            after = documents[-1]["_id"]

    def count(self, pool: str, query: Query) -> dict[str, int]:
        """Number of tasks by status, counted by the server."""
        stages: list[Document] = [{"$match": dict(query)}] if query else []
        stages.append({"$group": {"_id": "$status", "n": {"$sum": 1}}})

        def count(_: bool) -> dict[str, int]:
            return {row["_id"]: row["n"] for row in self._database[pool].aggregate(stages)}

        return call_with_retry(count, self._retry)

    def delete(self, pool: str, query: Query) -> int:
        """Delete tasks."""

        def delete(_: bool) -> int:
            return self._database[pool].delete_many(dict(query)).deleted_count

        return call_with_retry(delete, self._retry)

    def pools(self) -> list[str]:
        """Collections that hold something."""

        def pools(_: bool) -> list[str]:
            names = self._database.list_collection_names()
            return sorted(
                name
                for name in names
                if not name.startswith("system.") and self._database[name].find_one({}, {"_id": 1})
            )

        return call_with_retry(pools, self._retry)


def _change(values: Document) -> Document:
    change: Document = {}
    for name, value in values.items():
        if value is None:
            change.setdefault("$unset", {})[name] = ""
        else:
            change.setdefault("$set", {})[name] = _to_bson(value)
    return change


def _to_bson(value: Any) -> Any:
    return Binary(value) if isinstance(value, bytes) else value


def _to_mongo(document: Document) -> Document:
    return {name: _to_bson(value) for name, value in document.items() if value is not None}


def _from_mongo(document: Document) -> Document:
    return {
        name: bytes(value) if isinstance(value, Binary) else value
        for name, value in {**document, "_id": str(document["_id"])}.items()
    }


def _may_pass(error: Exception) -> bool:
    return isinstance(error, ConnectionFailure) or _read_code(error) in _SHUTTING_DOWN


def _read_code(error: BaseException) -> int | None:
    return getattr(error, "code", None)


def _explain_refusal(address: str, error: OperationFailure) -> str:
    if _read_code(error) in _LOGIN or "uthentication" in str(error) or "uthoriz" in str(error):
        return (
            f"the task store {address} refuses the login ({first_line(error)}): check the user, "
            "the password and authSource in the address"
        )
    return f"the task store {address} failed: {first_line(error)}"
