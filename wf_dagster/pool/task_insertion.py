"""Put tasks into a pool, and others in their place."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from wf_dagster.errors import PoolError, PoolInputError
from wf_dagster.pool.identity import identify_definition
from wf_dagster.pool.leases import RELEASED
from wf_dagster.pool.states import make_turn
from wf_dagster.pool.stores import Document, Store
from wf_dagster.pool.task_documents import make_document

_log = logging.getLogger(__name__)


class InsertOneResult:
    """What an insertion gives back.

    Attributes:
        inserted_id: Id of the task; that of the one that was there, if the definition is known.
    """

    def __init__(self, inserted_id: str) -> None:
        self.inserted_id = inserted_id

    def __repr__(self) -> str:
        return f"InsertOneResult({self.inserted_id!r})"


def list_definitions(value: Any) -> list[Any]:
    """The definitions that were given, one alone or several.

    Raises:
        PoolInputError: It is no list.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise PoolInputError(f"create_task got {value!r}: give a list of definitions")
    return [value] if isinstance(value, Mapping) else [*value]


def insert_definitions(
    store: Store, pool: str, definitions: list[Any], *, dry_run: bool, print_new: bool
) -> list[str]:
    """Insert the definitions that a pool does not hold yet.

    Args:
        store: The store.
        pool: Name of the pool.
        definitions: The definitions.
        dry_run: Insert nothing.
        print_new: Print the new ones.

    Returns:
        The id of each definition, in their order; nothing with ``dry_run``.

    Raises:
        TaskError: A definition has no canonical form.
        PoolInputError: It cannot be serialised, or is too big. Then nothing is inserted.
    """
    identities = [identify_definition(definition) for definition in definitions]
    fingerprints = [fingerprint for fingerprint, _ in identities]
    ids = store.ids(pool, fingerprints) if fingerprints else {}
    new: dict[str, Document] = {}
    for position, (definition, (fingerprint, plain)) in enumerate(
        zip(definitions, identities, strict=True)
    ):
        if fingerprint not in ids and fingerprint not in new:
            label = f"task {position} of {len(definitions)}"
            new[fingerprint] = make_document(definition, fingerprint, plain, label)
            if print_new:
                print(definition)
    _log.info("pool %s: %d tasks, %d new", pool, len(fingerprints), len(new))
    if dry_run:
        return []
    if new:
        store.insert(pool, list(new.values()))
        # another process may have been quicker with some of them
        ids.update(store.ids(pool, list(new)))
    return [ids[fingerprint] for fingerprint in fingerprints]


def insert_document(store: Store, pool: str, document: Document) -> str:
    """Insert a whole task, unless the pool holds its definition.

    Returns:
        Its id, or that of the task that was there.

    Raises:
        PoolInputError: Another task has its id.
    """
    store.insert(pool, [document])
    ids = store.ids(pool, [document["fingerprint"]])
    if not ids:
        raise PoolInputError(f"there is another task with the id {document['_id']!r}")
    return ids[document["fingerprint"]]


def replace_document(store: Store, pool: str, task_id: str, document: Document) -> bool:
    """Put a whole task in the place of another, whose id it takes over.

    Returns:
        Whether there was a task of that id.

    Raises:
        PoolError: The pool holds another task with the new definition.
    """
    ids = store.ids(pool, [document["fingerprint"]])
    if set(ids.values()) - {task_id}:
        raise PoolError(
            f"pool {pool!r} already holds a task with this definition: it is "
            f"{ids[document['fingerprint']]}"
        )
    empty = dict.fromkeys(("res", "priority", "error", "worker"))
    values = {**empty, **RELEASED, **document}
    values["turn"] = make_turn(document.get("priority"), task_id)
    del values["_id"]
    return bool(store.update(pool, {"_id": task_id}, values))
