"""The command ``wf-dagster status``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from wf_dagster.cli.module_option import ModuleOption
from wf_dagster.cli.wf_errors_as_messages import wf_errors_as_messages
from wf_dagster.errors import SettingsError

if TYPE_CHECKING:
    from wf_dagster.online.strategy_status import RollsStatus, ServingModel, StrategyStatus


def status(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="Name of a strategy; default all.", show_default=False
        ),
    ] = None,
    module: ModuleOption = None,
    max_missed: Annotated[
        int,
        typer.Option(
            min=0, help="Sessions that a strategy which serves, and its signals, may be behind."
        ),
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how strategies stand: prices, rolls, what is online, sessions, signals.

    The exit code is 1 where something needs a person: prices that cannot be read, sessions behind,
    a roll without a model of its own at sessions that were worked through. It is 2 where the
    command itself cannot work.

    Reading the prices records their sessions in the home folder, for later loads of definitions.
    """
    # slow to import
    from wf_dagster.online.status_reading import read_strategy_status
    from wf_dagster.orchestration.checks.online_limits import GRACE
    from wf_dagster.orchestration.location.code_location import (
        find_strategy,
        list_strategies,
        load_definitions,
        signals_of,
    )

    with wf_errors_as_messages():
        definitions = load_definitions(module)  # it may choose the home folder
        if name is not None:
            specs = [find_strategy(definitions, name)]
        elif not (specs := list(list_strategies(definitions).values())):
            raise SettingsError("the code location has no strategy")
        statuses = [
            read_strategy_status(
                spec.name,
                spec.experiment,
                spec.market,
                partial(getattr, spec.partitions, "rolls"),
                signals=signals_of(definitions, spec),
                max_missed=max_missed,
                grace=GRACE,
            )
            for spec in specs
        ]
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in statuses], indent=2))
    else:
        _print_blocks(statuses)
    if any(each.problems for each in statuses):
        raise typer.Exit(1)


def _print_blocks(statuses: list[StrategyStatus]) -> None:
    from rich.console import Console  # slow to import

    # a file or another program gets each fact on one line
    console = Console(width=None if sys.stdout.isatty() else 1000)

    def show(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False)

    for each in statuses:
        show(f"{each.name}: {'needs a person' if each.problems else 'all is well'}", "bold")
        for fact, text in _facts(each):
            show(f"  {fact:<9} {text}")
        for problem in each.problems:
            show(f"  {'!':<9} {problem}", "yellow")


def _facts(status: StrategyStatus) -> Iterator[tuple[str, str]]:
    hidden = "" if status.hidden_after is None else f" (later than {status.hidden_after}: hidden)"
    until = status.prices_until
    yield "prices", "cannot be read" if until is None else f"up to {until}{hidden}"
    if status.rolls is not None:
        yield "rolls", _rolls_text(status.rolls)
    yield "online", ", ".join(map(_model_text, status.online)) or "none"
    if status.next_online:
        yield "next", ", ".join(map(_model_text, status.next_online)) + ", trained"
    elif status.rolls is not None and status.rolls.next is not None:
        due = status.rolls.next_due
        yield "next", f"{status.rolls.next}" + (f", due at the close of {due}" if due else "")
    if status.session is None:
        yield "sessions", "none was worked through"
    else:
        yield "sessions", f"worked through up to {status.session}{_behind_text(status.behind)}"
    for signals in status.signals:
        text = "none yet" if signals.until is None else f"up to {signals.until}"
        yield "signals", f"{text}{_behind_text(signals.behind)} ({signals.experiment})"


def _rolls_text(rolls: RollsStatus) -> str:
    text = f"{rolls.due} due, {rolls.trained} trained, {len(rolls.missing)} missing"
    if rolls.missing:
        text += f" (first {rolls.missing[0]})"
    if rolls.outdated:
        text += f", {len(rolls.outdated)} of them trained by an earlier definition"
    return text + (f"; running {rolls.running}" if rolls.running else "; none has begun")


def _model_text(model: ServingModel) -> str:
    since = f" since {model.since}" if model.since else ""
    return f"{model.roll or 'unknown roll'}{since} (recorder {model.recorder})"


def _behind_text(behind: int | None) -> str:
    if behind is None:
        return ""
    return f", {behind} {'session' if behind == 1 else 'sessions'} behind"
