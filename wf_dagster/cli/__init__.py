"""The command line: ``wf-dagster``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wf_dagster.cli.pool import plain_errors, pool_app, worker

app = typer.Typer(
    name="wf-dagster",
    help="Rolling forecasting workflows as Dagster assets, recorded in MLflow.",
    no_args_is_help=True,
    add_completion=False,
)

app.add_typer(pool_app, name="pool")
app.command()(worker)


@app.callback()
def _main() -> None:
    """Rolling forecasting workflows as Dagster assets, recorded in MLflow."""


@app.command()
def ui(
    dagster_port: Annotated[int, typer.Option(help="Port of the Dagster page.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow page.")] = 5000,
    workspace: Annotated[
        Path, typer.Option(help="Dagster workspace file.", exists=True, dir_okay=False)
    ] = Path("workspace.yaml"),
) -> None:
    """Open the Dagster and the MLflow page on the same state; Ctrl-C ends both."""
    from wf_dagster.cli.ui import serve

    with plain_errors():
        raise typer.Exit(serve(workspace, dagster_port=dagster_port, mlflow_port=mlflow_port))


@app.command("qlib-import")
def qlib_import(
    workflow: Annotated[Path, typer.Argument(help="YAML file of Qlib's qrun.")],
    name: Annotated[str, typer.Option(help="Name of the strategy.")],
    step: Annotated[
        str, typer.Option(help="Sessions a roll, or week, month, quarter, year.")
    ] = "20",
    rtype: Annotated[str, typer.Option(help="sliding or expanding.")] = "sliding",
    trunc_days: Annotated[
        int | None,
        typer.Option(
            help="Sessions between train and test; default as far as the label looks ahead.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The module; default NAME.py.", show_default=False),
    ] = None,
) -> None:
    """Write a strategy from a workflow file of Qlib's, for Dagster to load."""
    from wf_dagster.cli.strategy_module import strategy_module
    from wf_dagster.errors import TaskError

    with plain_errors():
        made = strategy_module(
            workflow, name, int(step) if step.isdigit() else step, rtype, trunc_days
        )
        target = output or Path(f"{name}.py")
        if target.exists():
            raise TaskError(f"{str(target)!r} is there already: remove it, or give another -o")
        target.write_text(made.text)
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"wrote {target}; open it with: dagster dev -f {target}")


@app.command()
def replay(
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATE",
            help="The first session; default the one after that of the clock.",
            show_default=False,
        ),
    ] = None,
    sessions: Annotated[int, typer.Option(min=1, help="How many sessions.")] = 5,
    module: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--module-name",
            help="Module of the Definitions; default that of workspace.yaml or pyproject.toml.",
            show_default=False,
        ),
    ] = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="Remove the clock: all prices are seen again.")
    ] = False,
) -> None:
    """Live through past sessions: train, switch, predict as the schedules would have done it.

    Prices after the session are hidden, in this home folder, until --stop.
    """
    from wf_dagster.cli.replay import replay_sessions, stop_replay

    with plain_errors():
        if stop:
            stop_replay(module)
        else:
            replay_sessions(module, first, sessions)


@app.command()
def sweep(
    experiment: Annotated[str | None, typer.Option(help="Only this experiment.")] = None,
    stale_minutes: Annotated[
        float, typer.Option(help="Age at which another machine's heartbeat counts as dead.")
    ] = 15.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show them, change nothing.")] = False,
) -> None:
    """Set runs FAILED whose process died without ending them."""
    from wf_dagster import tracking

    look = tracking.find_dead if dry_run else tracking.sweep
    with plain_errors():
        dead = look(experiment, stale_seconds=60 * stale_minutes)
    for run in dead:
        typer.echo(f"{run.recorder.id}  {run.recorder.name}: {run.reason}")
    typer.echo(
        f"{len(dead)} dead {'run' if len(dead) == 1 else 'runs'}"
        + (" found" if dry_run else " set FAILED")
    )
