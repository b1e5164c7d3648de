"""The command ``wf-dagster qrun``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages
from wf_dagster.cli.workflow_arguments import WorkflowFile, show_recorder


def qrun(
    config: WorkflowFile,
    experiment_name: Annotated[
        str, typer.Argument(help="MLflow experiment, unless the file names one.")
    ] = "workflow",
    uri_folder: Annotated[
        Path | None,
        typer.Argument(
            help="Folder for what is recorded; default where WF_TRACKING_URI says, else the file, "
            "else WF_HOME.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a workflow file as Qlib's qrun does: train, predict, analyse, into this project's MLflow.

    The exit codes are those of qrun: 0, 1 for what fails, 2 for a wrong command line.
    """
    from wf_dagster.workflows import workflow  # slow to import

    with wf_errors_as_messages(exit_code=1):
        recorder = workflow(config, experiment_name, uri_folder)
    show_recorder(recorder)
