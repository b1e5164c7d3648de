"""The commands ``wf-dagster pool``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wf_dagster.cli.pool_options import QueryOption, StoreOption, count_tasks, read_query
from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages
from wf_dagster.errors import PoolInputError

if TYPE_CHECKING:
    from wf_dagster.pool import TaskManager

pool_app = typer.Typer(help="Look at task pools and change them.", no_args_is_help=True)

PoolArgument = Annotated[str, typer.Argument(metavar="POOL", help="Name of the pool.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
StatusOption = Annotated[
    str | None, typer.Option(help="Only tasks of this status.", show_default=False)
]
IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Only these tasks.")
]


@pool_app.command("list")
def list_pools(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the pools and how many tasks of each status they hold."""
    from wf_dagster.pool import TaskManager  # slow to import

    with wf_errors_as_messages():
        rows = [
            {"pool": name, **count_tasks(TaskManager(name, store))}
            for name in TaskManager.list(store)
        ]
    if as_json:
        _print_json(rows)
    elif rows:
        _print_table(rows)
    else:
        typer.echo("there is no pool with tasks")


@pool_app.command()
def stat(
    pool: PoolArgument,
    store: StoreOption = None,
    query: QueryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the tasks of a pool by status."""
    with wf_errors_as_messages():
        counts = count_tasks(_open_pool(pool, store), read_query(query))
    if as_json:
        _print_json(counts)
    else:
        _print_table([counts])


@pool_app.command()
def show(
    pool: PoolArgument,
    ids: IdsArgument = None,
    status: StatusOption = None,
    query: QueryOption = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show tasks, the oldest first; with an id the whole definition, as JSON."""
    with wf_errors_as_messages():
        manager = _open_pool(pool, store)
        tasks = islice(manager.query(read_query(query, status, ids), decode=False), limit)
        as_json = as_json or bool(ids)
        rows = [_describe_task(task, with_definition=as_json) for task in tasks]
    if as_json:
        _print_json(rows)
    elif rows:
        _print_table(rows)
    else:
        typer.echo("no task is found")


@pool_app.command()
def reset(
    pool: PoolArgument,
    ids: IdsArgument = None,
    status: Annotated[str, typer.Option(help="Tasks of this status.")] = "running",
    to: Annotated[str, typer.Option(help="The status they get.")] = "waiting",
    query: QueryOption = None,
    store: StoreOption = None,
) -> None:
    """Set the status of tasks: of those held by workers that are gone, or that failed.

    A worker that is still at one of them cannot commit it any more.
    """
    with wf_errors_as_messages():
        count = _open_pool(pool, store).reset_status(read_query(query, status, ids), to)
    typer.echo(f"{count} {'task' if count == 1 else 'tasks'} set {to}")


@pool_app.command()
def prioritize(
    pool: PoolArgument,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Which tasks.")],
    priority: Annotated[float, typer.Option(help="Larger ones are fetched first.")],
    store: StoreOption = None,
) -> None:
    """Set the priority of tasks."""
    with wf_errors_as_messages():
        manager = _open_pool(pool, store)
        for task_id in ids:
            manager.prioritize({"_id": task_id}, priority)
    typer.echo(f"{len(ids)} {'task has' if len(ids) == 1 else 'tasks have'} priority {priority:g}")


@pool_app.command()
def remove(
    pool: PoolArgument,
    ids: IdsArgument = None,
    status: StatusOption = None,
    query: QueryOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove all tasks.")] = False,
    store: StoreOption = None,
) -> None:
    """Remove tasks; their recorders stay."""
    with wf_errors_as_messages():
        if not (ids or status or query or everything):
            raise PoolInputError(
                f"nothing says which tasks of pool {pool!r} to remove: give ids, --status or "
                "--query, or --all for all"
            )
        count = _open_pool(pool, store).remove(read_query(query, status, ids))
    typer.echo(f"{count} {'task' if count == 1 else 'tasks'} removed")


def _open_pool(pool: str, store: str | None) -> TaskManager:
    from wf_dagster.pool import TaskManager  # slow to import

    return TaskManager(pool, store)


def _describe_task(task: Mapping[str, Any], with_definition: bool) -> dict[str, Any]:
    row = {
        "_id": task["_id"],
        "status": task["status"],
        "priority": task.get("priority"),
        "attempts": task.get("attempts", 0),
        "model": _read_model_class(task["filter"]),
        "worker": task.get("worker"),
        "error": task.get("error"),
    }
    return {**row, "filter": task["filter"]} if with_definition else row


def _read_model_class(definition: Any) -> str:
    if not isinstance(definition, Mapping):
        return ""
    inner = definition.get("task") if "model" not in definition else definition
    model = inner.get("model") if isinstance(inner, Mapping) else None
    return str(model.get("class", "") if isinstance(model, Mapping) else model or "")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console  # slow to import
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in rows[0]:
        are_numbers = all(isinstance(row[column], int) for row in rows)
        justify: Literal["left", "right"] = "right" if are_numbers else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column == "_id")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    # a file or another program gets each task on one line
    Console(width=None if sys.stdout.isatty() else 1000).print(table)
