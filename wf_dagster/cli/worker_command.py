"""The command ``wf-dagster worker``."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wf_dagster.cli.pool_options import QueryOption, StoreOption, count_tasks, read_query
from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages

if TYPE_CHECKING:
    from wf_dagster.training import RollOutcome


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
    query: QueryOption = None,
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
    store: StoreOption = None,
) -> None:
    """Train the tasks of a pool, beside any number of other workers.

    SIGTERM or Ctrl-C: no further task is fetched; those in work are finished, or given back when
    they take longer than the grace; a second signal gives them back at once. Exit code: 0, or 1
    when a task failed, 2 when the pool or MLflow cannot be used.
    """
    from wf_dagster.pool import TaskManager  # slow to import
    from wf_dagster.training import PoolJob, run_pool_tasks

    with wf_errors_as_messages(), _stop_on_signals(grace) as stopping:
        manager = TaskManager(pool, store, lease=lease, max_attempts=max_attempts)
        conditions = read_query(query)
        job = PoolJob(
            manager,
            conditions,
            before_status,
            after_status,
            experiment_name=experiment or pool,
            force_release=force_release,
        )
        job.check()
        counts = count_tasks(manager, conditions)
        typer.echo(f"pool {pool} at {manager.address}: {_format_counts(counts)}")
        trained = failed = 0
        attempts = run_pool_tasks(
            job, processes=processes, follow=follow, stopping=stopping, apart=True
        )
        for outcome in attempts:
            trained, failed = trained + outcome.ok, failed + (not outcome.ok)
            typer.echo(_format_outcome(outcome, trained))
        end = "stopped" if stopping.is_set() else "nothing left to fetch"
        typer.echo(f"{end}: {trained} trained, {failed} attempts failed")
    raise typer.Exit(1 if failed else 0)


@contextmanager
def _stop_on_signals(grace: float) -> Iterator[threading.Event]:
    """An event that SIGTERM or Ctrl-C sets; after the grace, or the second time, they exit."""
    stopping = threading.Event()

    def stop(number: int, _frame: Any) -> None:
        if stopping.is_set():
            sys.exit(128 + number)
        stopping.set()
        typer.echo(f"stopping: tasks in work have {grace:g} s", err=True)
        signal.setitimer(signal.ITIMER_REAL, max(grace, 0.001))

    def give_back(_signal: int, _frame: Any) -> None:
        typer.echo("the tasks in work are given back", err=True)
        sys.exit(128 + signal.SIGTERM)

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGALRM: give_back}
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stopping
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _format_outcome(outcome: RollOutcome, trained: int) -> str:
    if outcome.ok:
        result = f"trained in {outcome.seconds:.2f} s  recorder {outcome.recorder_id}"
        return f"{outcome.key}  {result}  [{trained}]"
    return f"{outcome.key}  FAILED: {outcome.error}"


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no task"
