"""The pool in MongoDB: one collection a pool."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from bson.binary import Binary
from pymongo import ASCENDING, MongoClient, ReturnDocument
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)

from wf_dagster.errors import PoolInputError, PoolStoreError
from wf_dagster.pool.stores.base import Document, Query, safe
from wf_dagster.pool.stores.retry import first, patiently

T = TypeVar("T")
DATABASE = "wf_dagster"
CONNECT_SECONDS = 5.0
_CLOCK_SECONDS = 600.0  # how long the difference to the server's clock is believed
_DUPLICATE = 11000
_LOGIN = {13, 18, 8000}
_SHUTTING_DOWN = {91, 189, 10107, 11600, 11602, 13435, 13436}
_LOOK_UP = 10_000  # fingerprints in one query


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
        self.address = safe(url)
        self.patience = patience
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
                f"task store {self.address!r}: {first(error)}; use mongodb://host:port/name"
            ) from error
        except OperationFailure as error:
            raise PoolStoreError(_refused(self.address, error)) from error
        except PyMongoError as error:
            raise PoolStoreError(
                f"the task store {self.address} does not answer ({first(error)}): start it, or "
                "give another with wf_dagster.init(task_store=...) or WF_TASK_STORE"
            ) from error

    def now(self) -> float:
        """The server's clock."""
        difference, read = self._clock
        if time.monotonic() - read > _CLOCK_SECONDS:
            self._patiently(lambda _: self._set_clock())
            difference = self._clock[0]
        return time.time() + difference

    def _set_clock(self) -> None:
        before = time.time()
        told = self._client.admin.command("hello").get("localTime")
        between = (before + time.time()) / 2
        if told is not None:
            import calendar

            there = calendar.timegm(told.timetuple()) + told.microsecond / 1e6
            self._clock = (there - between, time.monotonic())
        else:
            self._clock = (0.0, time.monotonic())

    def insert(self, pool: str, documents: Sequence[Document]) -> None:
        """Insert those whose fingerprint is new; the unique index refuses the others."""
        kept = [_to_mongo(document) for document in documents]

        def insert(_: bool) -> None:
            self._prepare(pool)
            try:
                self._database[pool].insert_many(kept, ordered=False)
            except BulkWriteError as error:
                errors = [e for e in error.details["writeErrors"] if e.get("code") != _DUPLICATE]
                if errors:
                    # the whole error would show every document
                    raise PoolStoreError(
                        f"the task store {self.address} failed: {errors[0].get('errmsg')}"
                    ) from None

        if kept:
            self._patiently(insert)

    def _prepare(self, pool: str) -> None:
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
            made: dict[str, str] = {}
            for start in range(0, len(fingerprints), _LOOK_UP):
                some = list(fingerprints[start : start + _LOOK_UP])
                query = {"fingerprint": {"$in": some}}
                for found in self._database[pool].find(query, {"fingerprint": 1}):
                    made[found["fingerprint"]] = str(found["_id"])
            return made

        return self._patiently(look_up)

    def claim(self, pool: str, query: Query, status: str, values: Document) -> Document | None:
        """Take the first task of a status, in one step of the server."""
        wanted = {**query, "status": {"$eq": status}}
        change = {**_change(values), "$inc": {"attempts": 1}}

        def claim(again: bool) -> Document | None:
            collection = self._database[pool]
            found = collection.find_one({"lease": values["lease"]}) if again else None
            if found is None:
                found = collection.find_one_and_update(
                    wanted,
                    change,
                    sort=[("turn", ASCENDING)],
                    return_document=ReturnDocument.AFTER,
                )
            return None if found is None else _from_mongo(found)

        return self._patiently(claim)

    def update(self, pool: str, query: Query, values: Document) -> int:
        """Set values of tasks."""
        change = _change(values)

        def update(_: bool) -> int:
            return self._database[pool].update_many(dict(query), change).matched_count

        return self._patiently(update)

    def find(
        self, pool: str, query: Query, fields: Iterable[str] | None = None
    ) -> Iterator[Document]:
        """Tasks by id, read in portions, so that no cursor times out while they are used."""
        asked = None if fields is None else dict.fromkeys(fields, 1)
        after: Any = None
        while True:
            more = dict(query) if after is None else {"$and": [{"_id": {"$gt": after}}, query]}

            def portion(_: bool, more: Document = more) -> list[Document]:
                found = self._database[pool].find(more, asked)
                return list(found.sort("_id", ASCENDING).limit(_PORTION))

            documents = self._patiently(portion)
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

        return self._patiently(count)

    def delete(self, pool: str, query: Query) -> int:
        """Delete tasks."""
        return self._patiently(
            lambda _: self._database[pool].delete_many(dict(query)).deleted_count
        )

    def pools(self) -> list[str]:
        """Collections that hold something."""

        def pools(_: bool) -> list[str]:
            names = self._database.list_collection_names()
            return sorted(
                name
                for name in names
                if not name.startswith("system.") and self._database[name].find_one({}, {"_id": 1})
            )

        return self._patiently(pools)

    def _patiently(self, call: Callable[[bool], T]) -> T:
        return patiently(
            call,
            address=self.address,
            patience=self.patience,
            passing=_passing,
            ours=PyMongoError,
        )


_PORTION = 1000


def _change(values: Document) -> Document:
    change: Document = {}
    for name, value in values.items():
        if value is None:
            change.setdefault("$unset", {})[name] = ""
        else:
            change.setdefault("$set", {})[name] = _kept(value)
    return change


def _kept(value: Any) -> Any:
    return Binary(value) if isinstance(value, bytes) else value


def _to_mongo(document: Document) -> Document:
    return {name: _kept(value) for name, value in document.items() if value is not None}


def _from_mongo(document: Document) -> Document:
    return {
        name: bytes(value) if isinstance(value, Binary) else value
        for name, value in {**document, "_id": str(document["_id"])}.items()
    }


def _passing(error: Exception) -> bool:
    return isinstance(error, ConnectionFailure) or _code(error) in _SHUTTING_DOWN


def _code(error: BaseException) -> int | None:
    return getattr(error, "code", None)


def _refused(address: str, error: OperationFailure) -> str:
    if _code(error) in _LOGIN or "uthentication" in str(error) or "uthoriz" in str(error):
        return (
            f"the task store {address} refuses the login ({first(error)}): check the user, the "
            "password and authSource in the address"
        )
    return f"the task store {address} failed: {first(error)}"
