"""What the commands on task pools have in common: options, queries, counts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_dagster.errors import PoolInputError

if TYPE_CHECKING:
    from wf_dagster.pool import TaskManager

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", help="Address of the task store; default WF_TASK_STORE.", show_default=False
    ),
]
QueryOption = Annotated[
    str | None,
    typer.Option(
        "--query", help="Only tasks that this MongoDB-style JSON query finds.", show_default=False
    ),
]


def read_query(
    text: str | None, status: str | None = None, ids: Sequence[str] | None = None
) -> dict[str, Any]:
    """The query that options describe.

    Args:
        text: A query as JSON.
        status: Only tasks of this status.
        ids: Only these tasks.

    Raises:
        PoolInputError: The text is no JSON object, or the status is unknown.
    """
    from wf_dagster.pool.states import check_status  # slow to import

    query: dict[str, Any] = {}
    if text:
        try:
            query = json.loads(text)
        except json.JSONDecodeError as error:
            raise PoolInputError(
                f"--query {text!r} is no JSON ({error}): write it like "
                '\'{"filter.model.class": "LGBModel"}\''
            ) from None
        if not isinstance(query, dict):
            raise PoolInputError(f"--query {text!r} is no JSON object")
    if status:
        query["status"] = check_status(status)
    if ids:
        query["_id"] = {"$in": list(ids)}
    return query


def count_tasks(pool: TaskManager, query: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Number of tasks by status, of each status."""
    from wf_dagster.pool.states import STATUSES  # slow to import

    counts = pool.task_stat(query)
    return {status: counts.get(status, 0) for status in STATUSES}
