"""The command ``wf-dagster replay``."""

from __future__ import annotations

import os
import time

from wf_dagster.errors import WfError
from wf_dagster.replay_clock import ReplayClock
from wf_dagster.settings import get_settings
from wf_dagster.ui import prepare_dagster_home


def replay_sessions(module: str | None, first: str | None, count: int) -> None:
    """Work through sessions and print what they brought.

    Args:
        module: Module of the Definitions; default that of the folder's workspace.
        first: The first session; default the one after that of the clock.
        count: How many.

    Raises:
        WfError: They cannot be worked through.
    """
    import dagster as dg

    from wf_dagster.orchestration.code_location import load_definitions
    from wf_dagster.orchestration.replay import Replay
    from wf_dagster.replay_lines import console, print_replay

    started = time.perf_counter()
    terminal = console()
    definitions = load_definitions(module)
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(get_settings().make_home()))
    sessions = list(ReplayClock().sessions(first, count))
    with dg.DagsterInstance.get() as instance:
        print_replay(terminal, Replay(definitions, instance).run(sessions))
    if len(sessions) < count:
        terminal.print(f"The prices end on {sessions[-1]:%Y-%m-%d}.")
    terminal.print(
        f"{len(sessions)} sessions in {time.perf_counter() - started:.0f} s. Prices after "
        f"{ReplayClock().shown():%Y-%m-%d} stay hidden; `wf-dagster replay` goes on, "
        "`wf-dagster replay --stop` shows all prices again.",
        soft_wrap=True,
        highlight=False,
    )


def stop_replay(module: str | None) -> None:
    """Remove the clock of the code location's home folder, and say so.

    Args:
        module: Module of the Definitions; default that of the folder's workspace.
    """
    from wf_dagster.orchestration.code_location import load_definitions

    try:
        load_definitions(module)  # it may choose the home folder
    except WfError:
        if module is not None:
            raise
    clock = ReplayClock()
    print(
        f"The replay clock {clock.file} is removed: all prices are seen again."
        if clock.stop()
        else f"There is no replay clock ({clock.file}): no prices are hidden by one."
    )
