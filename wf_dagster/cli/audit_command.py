"""The command ``wf-dagster audit``."""

from __future__ import annotations

from typing import Annotated

import typer

from wf_dagster.cli.module_option import ModuleOption
from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages


def audit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the strategy.")],
    rolls: Annotated[
        str,
        typer.Option(
            metavar="KEYS",
            help="Rolls to compare: keys with commas between them, FIRST...LAST, or 'all'; "
            "default twelve, spread evenly.",
            show_default=False,
        ),
    ] = "",
    module: ModuleOption = None,
) -> None:
    """Test a strategy for look-ahead: change later prices at many dates, and compare.

    Prints a report; the exit code is 1 where later prices change what was compared, or where
    nothing could be.
    """
    # slow to import
    from wf_dagster.audit import audit_strategy, select_rolls
    from wf_dagster.orchestration.location.code_location import find_strategy, load_definitions
    from wf_dagster.progress import progress_bar

    with wf_errors_as_messages():
        spec = find_strategy(load_definitions(module), name)  # it may choose the home folder
        selected = select_rolls(spec.partitions.rolls, spec.market, rolls)
        with progress_bar("audit", len(selected)) as update:
            report = audit_strategy(
                name,
                spec.experiment,
                spec.partitions.rolls,
                spec.market,
                selected,
                lambda done, _: update(done, None),
            )
    typer.echo(report.text())
    if report.failed or len(report.untested) == len(report.parts):
        raise typer.Exit(1)
