"""The command line: ``wf-dagster``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="wf-dagster",
    help="Rolling forecasting workflows as Dagster assets, recorded in MLflow.",
    no_args_is_help=True,
    add_completion=False,
)


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
    from wf_dagster.errors import WfError
    from wf_dagster.ui import serve

    try:
        raise typer.Exit(serve(workspace, dagster_port=dagster_port, mlflow_port=mlflow_port))
    except WfError as error:
        typer.echo(f"wf-dagster: {error}", err=True)
        raise typer.Exit(2) from None
