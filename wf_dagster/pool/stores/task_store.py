"""What the pool asks of a store, and what the address of one says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

Document = dict[str, Any]
Query = Mapping[str, Any]


class Store(Protocol):
    """Where tasks are kept.

    A document has the fields of :data:`FIELDS`; ``def`` and ``res`` are bytes. Queries have been
    through :func:`~wf_dagster.pool.task_query.prepare_query`. Each call is atomic for each
    document, and does no harm when it is made twice. A field that is set to ``None`` is taken
    away.

    A call that meets an outage waits for the store for ``patience`` seconds and then raises
    :class:`~wf_dagster.errors.PoolStoreError`.
    """

    address: str
    patience: float

    def now(self) -> float:
        """The store's own clock, in seconds since 1970: machines' clocks differ."""

    def insert(self, pool: str, documents: Sequence[Document]) -> None:
        """Insert those whose fingerprint the pool does not hold yet."""

    def ids(self, pool: str, fingerprints: Sequence[str]) -> dict[str, str]:
        """Ids by fingerprint, of those that are there."""

    def claim(self, pool: str, query: Query, status: str, values: Document) -> Document | None:
        """Take the first task (by ``turn``) of a status for one worker.

        ``values`` is set, among them the new ``lease``, and ``attempts`` grows by one. Of many
        workers that ask at the same time, each gets another task.
        """

    def update(self, pool: str, query: Query, values: Document) -> int:
        """Set values of all tasks that the query finds; returns how many."""

    def find(
        self, pool: str, query: Query, fields: Iterable[str] | None = None
    ) -> Iterator[Document]:
        """The tasks that the query finds, oldest id first, whole or with some of their fields."""

    def count(self, pool: str, query: Query) -> dict[str, int]:
        """Number of tasks by status."""

    def delete(self, pool: str, query: Query) -> int:
        """Delete tasks; returns how many."""

    def pools(self) -> list[str]:
        """Names of the pools that hold a task."""


FIELDS = (
    "_id", "fingerprint", "def", "filter", "status", "res", "priority", "turn", "attempts",
    "error", "worker", "lease", "lease_until", "fetched_from",
)  # fmt: skip


def hide_password(url: str) -> str:
    """An address without its password.

    Not SQLAlchemy's ``make_url``, which takes no list of MongoDB's hosts.
    """
    try:
        password = urlsplit(url).password
    except ValueError:
        return "(malformed)"
    return url if password is None else url.replace(f":{password}@", ":***@")


def read_scheme(url: str) -> str:
    """The kind of an address, without what comes after a plus sign."""
    try:
        return urlsplit(url).scheme.split("+")[0]
    except ValueError:
        return ""
