"""What the commands on a workflow file of Qlib's share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

WorkflowFile = Annotated[
    Path, typer.Argument(metavar="WORKFLOW", help="YAML file of a Qlib workflow, as for qrun.")
]
StepOption = Annotated[str, typer.Option(help="Sessions a roll, or week, month, quarter, year.")]


def read_step(text: str) -> int | str:
    """A number of sessions, or the name of a period."""
    return int(text) if text.isdigit() else text


def show_recorder(recorder: Recorder) -> None:
    """Say which recorder holds what a command has computed."""
    typer.echo(f"recorder {recorder.id}: {recorder.status}; its experiment is in {recorder.uri}")
