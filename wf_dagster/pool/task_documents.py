"""Tasks as the stores keep them, and as users see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wf_dagster.errors import PoolInputError
from wf_dagster.pool.identity import identify_definition, make_task_id
from wf_dagster.pool.payload import decode, encode, encode_result
from wf_dagster.pool.states import WAITING, check_priority, check_status, make_turn
from wf_dagster.pool.stores import Document

Task = dict[str, Any]
DEFINITION_LIMIT = 4_000_000  # bytes; MongoDB's document of 16 MB holds it twice, and a result
_SETTABLE = {"_id", "def", "filter", "status", "res", "priority"}
_INTERNAL = ("turn", "fetched_from")  # how a store works, of no use to the user


def make_document(definition: Any, fingerprint: str, plain: Any, label: str) -> Document:
    """The document of a new task.

    Args:
        definition: Its definition.
        fingerprint: The definition's fingerprint.
        plain: The definition as plain JSON, for queries.
        label: What it is called in messages.

    Raises:
        PoolInputError: The definition cannot be serialised, or is too big.
    """
    task_id = make_task_id()
    content = encode(definition, label)
    if len(content) > DEFINITION_LIMIT:
        raise PoolInputError(
            f"{label} has {len(content):,} bytes, more than the {DEFINITION_LIMIT:,} that a "
            "definition may have: name a file or a recorder that holds the data"
        )
    return {
        "_id": task_id,
        "fingerprint": fingerprint,
        "def": content,
        "filter": plain,
        "status": WAITING,
        "turn": make_turn(None, task_id),
        "attempts": 0,
    }


def make_document_of_task(task: Any, pool: str) -> Document:
    """The document of a whole task that a user has put together.

    Args:
        task: A dict with ``def``, perhaps ``_id``, ``filter``, ``status``, ``priority``, ``res``.
        pool: Name of its pool.

    Raises:
        PoolInputError: A field is missing, unknown or wrong.
    """
    if not isinstance(task, Mapping) or "def" not in task:
        raise PoolInputError("a task is a dict with its definition under 'def'")
    unknown = sorted(set(map(str, task)) - _SETTABLE)
    if unknown:
        raise PoolInputError(
            f"task field {unknown[0]!r} is unknown: use {', '.join(sorted(_SETTABLE))}"
        )
    definition = task["def"]
    fingerprint, plain = identify_definition(definition)
    if task.get("filter") is not None:
        plain = identify_definition(task["filter"])[1]
    document = make_document(definition, fingerprint, plain, "the task")
    if task.get("_id") is not None:
        document["_id"] = str(task["_id"])
    document["status"] = check_status(task.get("status", WAITING))
    document["priority"] = check_priority(task.get("priority"))
    document["turn"] = make_turn(document["priority"], document["_id"])
    if "res" in task:
        label = f"the result of task {document['_id']}"
        document["res"] = encode_result(task["res"], label, pool)
    return document


def hide_internals(document: Document) -> Task:
    """A task as users see it, definition and result still encoded."""
    return {name: value for name, value in document.items() if name not in _INTERNAL}


def decode_task(document: Document, pool: str, allow: Sequence[str]) -> Task:
    """A task as users see it.

    Args:
        document: What the store keeps.
        pool: Name of the pool, for messages.
        allow: Further modules whose classes may be loaded.

    Raises:
        UnsafeObjectError: Definition or result name something that is not allowed.
        PoolError: One of them is damaged.
    """
    task = hide_internals(document)
    for field, noun in (("def", "the definition"), ("res", "the result")):
        if field in task:
            label = f"{noun} of task {task['_id']} in pool {pool!r}"
            task[field] = decode(task[field], label, allow)
    return task


def read_task_id(task: Any) -> str:
    """The id of a task.

    Raises:
        PoolInputError: It has none.
    """
    if not isinstance(task, Mapping) or "_id" not in task:
        raise PoolInputError(f"{task!r} is no task: give a dict with its '_id'")
    return str(task["_id"])


def describe_error(error: BaseException) -> str:
    """An error as one line that a task can keep."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:2000]
