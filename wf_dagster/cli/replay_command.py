"""The command ``wf-dagster replay``, as it is typed."""

from __future__ import annotations

from typing import Annotated

import typer

from wf_dagster.cli.module_option import ModuleOption
from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages


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
    module: ModuleOption = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="Remove the clock: all prices are seen again.")
    ] = False,
) -> None:
    """Live through past sessions: train, switch, predict as the schedules would have done it.

    Prices after the session are hidden, in this home folder, until --stop.
    """
    from wf_dagster.cli.replay import replay_sessions, stop_replay  # slow to import

    with wf_errors_as_messages():
        if stop:
            stop_replay(module)
        else:
            replay_sessions(module, first, sessions)
