"""The command ``wf-dagster replay``."""

from __future__ import annotations

import time

from wf_dagster.errors import WfError
from wf_dagster.online.replay_clock import ReplayClock
from wf_dagster.settings import get_settings


def replay_sessions(module: str | None, first: str | None, count: int) -> None:
    """Work through sessions and print what they brought.

    Args:
        module: Module of the Definitions; default what Dagster opens in the current folder.
        first: The first session; default the one after that of the clock.
        count: How many.

    Raises:
        WfError: They cannot be worked through.
    """
    # slow to import
    from wf_dagster.cli.replay_lines import open_console, print_replay
    from wf_dagster.orchestration.location.code_location import list_strategies, load_definitions
    from wf_dagster.orchestration.location.replayed_sessions import open_replay

    started = time.perf_counter()
    terminal = open_console()
    definitions = load_definitions(module)  # it may choose the home folder
    settings = get_settings()
    markets = [strategy.market for strategy in list_strategies(definitions).values()]
    clock = ReplayClock(settings.clock_file(), *markets)
    with open_replay(definitions, settings.make_home(), clock) as replay:
        sessions = list(replay.clock.sessions(first, count))
        print_replay(terminal, replay.run(sessions))
    if len(sessions) < count:
        terminal.print(f"The prices end on {sessions[-1]:%Y-%m-%d}.")
    terminal.print(
        f"{len(sessions)} sessions in {time.perf_counter() - started:.0f} s. Prices after "
        f"{replay.clock.date():%Y-%m-%d} stay hidden; `wf-dagster replay` goes on, "
        "`wf-dagster replay --stop` shows all prices again.",
        soft_wrap=True,
        highlight=False,
    )


def stop_replay(module: str | None) -> None:
    """Remove the clock of the code location's home folder, and say so.

    Args:
        module: Module of the Definitions; default what Dagster opens in the current folder.
    """
    from wf_dagster.orchestration.location.code_location import load_definitions  # slow to import

    try:
        load_definitions(module)  # it may choose the home folder
    except WfError:
        if module is not None:
            raise
    clock = ReplayClock(get_settings().clock_file())
    print(
        f"The replay clock {clock.file} is removed: all prices are seen again."
        if clock.stop()
        else f"There is no replay clock ({clock.file}): no prices are hidden by one."
    )
