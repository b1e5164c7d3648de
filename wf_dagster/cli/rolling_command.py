"""The command ``wf-dagster rolling``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages
from wf_dagster.cli.workflow_arguments import (
    StepOption,
    WorkflowFile,
    read_step,
    show_recorder,
)


def rolling(
    config: WorkflowFile,
    experiment: Annotated[
        str, typer.Option(help="MLflow experiment of the joined results.")
    ] = "rolling",
    horizon: Annotated[
        int, typer.Option(help="Sessions that the label spans; 0 keeps the label of the file.")
    ] = 20,
    step: StepOption = "20",
    handler: Annotated[
        Path | None, typer.Option(help="File of a stored handler.", show_default=False)
    ] = None,
    train_start: Annotated[
        str | None, typer.Option(metavar="DATE", help="First of train.", show_default=False)
    ] = None,
    test_end: Annotated[
        str | None, typer.Option(metavar="DATE", help="Last of test.", show_default=False)
    ] = None,
    rolls: Annotated[
        str | None,
        typer.Option(help="MLflow experiment of the rolls; default a new one.", show_default=False),
    ] = None,
) -> None:
    """Roll the task of a workflow file, join the predictions, and analyse them once."""
    from wf_dagster.workflows import Rolling  # slow to import

    with wf_errors_as_messages(exit_code=1):
        work = Rolling(
            config,
            exp_name=experiment,
            horizon=horizon or None,
            step=read_step(step),
            h_path=handler,
            train_start=train_start,
            test_end=test_end,
            rolling_exp=rolls,
        )
        work.run()
        recorder = work.recorder
    show_recorder(recorder)
