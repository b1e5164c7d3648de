"""The command ``wf-dagster owner``."""

from __future__ import annotations

from typing import Annotated

import typer

from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages


def owner(
    experiment: Annotated[str, typer.Argument(help="An MLflow experiment.")],
    release: Annotated[
        bool, typer.Option("--release", help="Let the next one that writes become the owner.")
    ] = False,
) -> None:
    """Show which code location owns an experiment, or release it for another one."""
    from wf_dagster import tracking  # slow to import
    from wf_dagster.tracking.experiment_owner import KINDS

    with wf_errors_as_messages():
        tracking.R.get_exp(experiment_name=experiment, create=False)  # or it says there is none
        owners = {kind: tracking.read_owner(experiment, kind) for kind in KINDS}
        for kind, known in owners.items():
            if release and known is not None:
                tracking.write_owner(experiment, kind, None)
    for kind, known in owners.items():
        if known is not None:
            typer.echo(f"{kind}: {known}{' (released)' if release else ''}")
    if not any(owners.values()):
        typer.echo(f"nobody owns {experiment!r}: the next one that writes will")
