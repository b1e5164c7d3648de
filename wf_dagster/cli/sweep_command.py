"""The command ``wf-dagster sweep``."""

from __future__ import annotations

from typing import Annotated

import typer

from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages


def sweep(
    experiment: Annotated[str | None, typer.Option(help="Only this experiment.")] = None,
    stale_minutes: Annotated[
        float, typer.Option(help="Age at which another machine's heartbeat counts as dead.")
    ] = 15.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show them, change nothing.")] = False,
) -> None:
    """Set runs FAILED whose process died without ending them."""
    from wf_dagster import tracking  # slow to import

    find_or_end = tracking.find_dead if dry_run else tracking.sweep
    with wf_errors_as_messages():
        dead = find_or_end(experiment, stale_seconds=60 * stale_minutes)
    for run in dead:
        typer.echo(f"{run.recorder.id}  {run.recorder.name}: {run.reason}")
    typer.echo(
        f"{len(dead)} dead {'run' if len(dead) == 1 else 'runs'}"
        + (" found" if dry_run else " set FAILED")
    )
