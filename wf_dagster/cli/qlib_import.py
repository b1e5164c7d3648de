"""The command ``wf-dagster qlib-import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages
from wf_dagster.cli.workflow_arguments import StepOption, WorkflowFile, read_step
from wf_dagster.errors import TaskError


def qlib_import(
    workflow: WorkflowFile,
    name: Annotated[str, typer.Option(help="Name of the strategy.")],
    step: StepOption = "20",
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
    from wf_dagster.cli.strategy_module import write_strategy_module  # slow to import

    with wf_errors_as_messages():
        module = write_strategy_module(workflow, name, read_step(step), rtype, trunc_days)
        target = output or Path(f"{name}.py")
        if target.exists():
            raise TaskError(f"{str(target)!r} is there already: remove it, or give another -o")
        target.write_text(module.text)
    for note in module.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"wrote {target}; open it with: dagster dev -f {target}")
