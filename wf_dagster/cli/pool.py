"""The commands ``wf-dagster worker`` and ``wf-dagster pool``."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wf_dagster.errors import PoolInputError, WfError

if TYPE_CHECKING:
    from wf_dagster.pool import TaskManager

pool_app = typer.Typer(help="Look at task pools and change them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="POOL", help="Name of the pool.")]
Store = Annotated[
    str | None,
    typer.Option(
        "--store", help="Address of the task store; default WF_TASK_STORE.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Status = Annotated[str | None, typer.Option(help="Only tasks of this status.", show_default=False)]
Where = Annotated[
    str | None,
    typer.Option(
        "--query", help="Only tasks that this MongoDB-style JSON query finds.", show_default=False
    ),
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Only these tasks.")]


@contextmanager
def plain_errors() -> Iterator[None]:
    """An error that says what to do is one line and exit code 2."""
    try:
        yield
    except WfError as error:
        typer.echo(f"wf-dagster: {error}", err=True)
        raise typer.Exit(2) from None


@pool_app.command("list")
def list_pools(store: Store = None, as_json: AsJson = False) -> None:
    """List the pools and how many tasks of each status they hold."""
    from wf_dagster.pool import TaskManager

    with plain_errors():
        rows = [
            {"pool": name, **_stat(TaskManager(name, store))} for name in TaskManager.list(store)
        ]
    _print(rows, as_json, "there is no pool with tasks")


@pool_app.command()
def stat(pool: Name, store: Store = None, query: Where = None, as_json: AsJson = False) -> None:
    """Count the tasks of a pool by status."""
    with plain_errors():
        counts = _stat(_open(pool, store), _query(query))
    _print([counts], as_json, "", one=True)


@pool_app.command()
def show(
    pool: Name,
    ids: Ids = None,
    status: Status = None,
    query: Where = None,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Show tasks, the oldest first; with an id the whole definition, as JSON."""
    from itertools import islice

    with plain_errors():
        manager = _open(pool, store)
        found = islice(manager.query(_query(query, status, ids), decode=False), limit)
        rows = [_row(task, whole=bool(ids) or as_json) for task in found]
    _print(rows, as_json or bool(ids), "no task is found")


@pool_app.command()
def reset(
    pool: Name,
    ids: Ids = None,
    status: Annotated[str, typer.Option(help="Tasks of this status.")] = "running",
    to: Annotated[str, typer.Option(help="The status they get.")] = "waiting",
    query: Where = None,
    store: Store = None,
) -> None:
    """Set the status of tasks: of those held by workers that are gone, or that failed.

    A worker that is still at one of them cannot commit it any more.
    """
    with plain_errors():
        count = _open(pool, store).reset_status(_query(query, status, ids), to)
    typer.echo(f"{count} {'task' if count == 1 else 'tasks'} set {to}")


@pool_app.command()
def prioritize(
    pool: Name,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Which tasks.")],
    priority: Annotated[float, typer.Option(help="Larger ones are fetched first.")],
    store: Store = None,
) -> None:
    """Set the priority of tasks."""
    with plain_errors():
        manager = _open(pool, store)
        for task_id in ids:
            manager.prioritize({"_id": task_id}, priority)
    typer.echo(f"{len(ids)} {'task has' if len(ids) == 1 else 'tasks have'} priority {priority:g}")


@pool_app.command()
def remove(
    pool: Name,
    ids: Ids = None,
    status: Status = None,
    query: Where = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove all tasks.")] = False,
    store: Store = None,
) -> None:
    """Remove tasks; their recorders stay."""
    with plain_errors():
        if not (ids or status or query or everything):
            raise PoolInputError(
                f"nothing says which tasks of pool {pool!r} to remove: give ids, --status or "
                "--query, or --all for all"
            )
        count = _open(pool, store).remove(_query(query, status, ids))
    typer.echo(f"{count} {'task' if count == 1 else 'tasks'} removed")


def worker(
    pool: Annotated[str, typer.Option(help="Name of the pool.")],
    experiment: Annotated[
        str | None,
        typer.Option(
            help="MLflow experiment of the recorders; default the pool's name.", show_default=False
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes; default one a core.", show_default=False),
    ] = None,
    before_status: Annotated[
        str, typer.Option(help="'waiting' trains tasks; 'part_done' ends delayed trainings.")
    ] = "waiting",
    after_status: Annotated[str, typer.Option(help="Status of a trained task.")] = "done",
    query: Where = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for new tasks instead of ending.")
    ] = False,
    force_release: Annotated[
        bool, typer.Option("--force-release", help="Use a new process for each task.")
    ] = False,
    lease: Annotated[
        float, typer.Option(help="Seconds without a sign of life after which others take a task.")
    ] = 60.0,
    max_attempts: Annotated[int, typer.Option(help="Attempts after which a task is failed.")] = 3,
    grace: Annotated[
        float,
        typer.Option(help="Seconds that tasks in work may take after SIGTERM or Ctrl-C."),
    ] = 60.0,
    store: Store = None,
) -> None:
    """Train the tasks of a pool, beside any number of other workers.

    SIGTERM or Ctrl-C: no further task is fetched; those in work are finished, or given back when
    they take longer than the grace; a second signal gives them back at once. Exit code: 0, or 1
    when a task failed, 2 when the pool or MLflow cannot be used.
    """
    from wf_dagster.pool import TaskManager
    from wf_dagster.training.pool_tasks import PoolJob, run_pool_tasks

    with plain_errors(), _stoppable(grace) as stopping:
        manager = TaskManager(pool, store, lease=lease, max_attempts=max_attempts)
        job = PoolJob(
            manager,
            _query(query),
            before_status,
            after_status,
            experiment_name=experiment or pool,
            force_release=force_release,
        )
        job.check()
        typer.echo(f"pool {pool} at {manager.address}: {_said(_stat(manager, _query(query)))}")
        trained = failed = 0
        attempts = run_pool_tasks(
            job, processes=processes, follow=follow, stopping=stopping, apart=True
        )
        for outcome in attempts:
            trained, failed = trained + outcome.ok, failed + (not outcome.ok)
            typer.echo(_line(outcome, trained))
        end = "stopped" if stopping.is_set() else "nothing left to fetch"
        typer.echo(f"{end}: {trained} trained, {failed} attempts failed")
    raise typer.Exit(1 if failed else 0)


@contextmanager
def _stoppable(grace: float) -> Iterator[threading.Event]:
    """An event that SIGTERM or Ctrl-C sets; after the grace, or the second time, they exit."""
    stopping = threading.Event()

    def stop(_signal: int, _frame: Any) -> None:
        if stopping.is_set():
            sys.exit(128 + _signal)
        stopping.set()
        typer.echo(f"stopping: tasks in work have {grace:g} s", err=True)
        signal.setitimer(signal.ITIMER_REAL, max(grace, 0.001))

    def over(_signal: int, _frame: Any) -> None:
        typer.echo("the tasks in work are given back", err=True)
        sys.exit(128 + signal.SIGTERM)

    handled = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGALRM: over}
    before = {number: signal.signal(number, handler) for number, handler in handled.items()}
    try:
        yield stopping
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _line(outcome: Any, trained: int) -> str:
    if outcome.ok:
        done = f"trained in {outcome.seconds:.2f} s  recorder {outcome.recorder_id}"
        return f"{outcome.key}  {done}  [{trained}]"
    return f"{outcome.key}  FAILED: {outcome.error}"


def _open(pool: str, store: str | None) -> TaskManager:
    from wf_dagster.pool import TaskManager

    return TaskManager(pool, store)


def _query(
    text: str | None, status: str | None = None, ids: Sequence[str] | None = None
) -> dict[str, Any]:
    from wf_dagster.pool.states import check_status

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


def _stat(pool: TaskManager, query: Mapping[str, Any] | None = None) -> dict[str, int]:
    from wf_dagster.pool.states import STATUSES

    counts = pool.task_stat(query)
    return {status: counts.get(status, 0) for status in STATUSES}


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no task"


def _row(task: Mapping[str, Any], whole: bool) -> dict[str, Any]:
    model = _model(task["filter"])
    row = {
        "_id": task["_id"],
        "status": task["status"],
        "priority": task.get("priority"),
        "attempts": task.get("attempts", 0),
        "model": model,
        "worker": task.get("worker"),
        "error": task.get("error"),
    }
    return {**row, "filter": task["filter"]} if whole else row


def _model(definition: Any) -> str:
    if not isinstance(definition, Mapping):
        return ""
    inner = definition.get("task") if "model" not in definition else definition
    model = inner.get("model") if isinstance(inner, Mapping) else None
    return str(model.get("class", "") if isinstance(model, Mapping) else model or "")


def _print(
    rows: Sequence[Mapping[str, Any]], as_json: bool, nothing: str, one: bool = False
) -> None:
    if as_json:
        typer.echo(json.dumps(rows[0] if one else rows, indent=2, default=str))
        return
    if not rows:
        typer.echo(nothing)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in rows[0]:
        numbers = all(isinstance(row[column], int) for row in rows)
        justify: Literal["left", "right"] = "right" if numbers else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column == "_id")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    # a file or another program gets each task on one line
    Console(width=None if sys.stdout.isatty() else 1000).print(table)
