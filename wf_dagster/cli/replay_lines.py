"""The lines of a replay in a terminal: one a strategy and session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from wf_dagster.orchestration.replayed_sessions import SessionReport

_LINE = "{:<10}  {:<14}  {:<12}  {:<10}  {:>11}  {:>6}  {:>9}  {}"
_HEAD = (
    "session",
    "strategy",
    "online",
    "trained",
    "predictions",
    "labels",
    "IC so far",
    "top signal",
)


def console() -> Console:
    """A console on a copy of stdout: while a step runs, Dagster captures the original."""
    return Console(file=os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8"))


def print_replay(terminal: Console, lived: Iterable[SessionReport]) -> None:
    """Print each as soon as it is there."""
    terminal.print(f"[bold]{_LINE.format(*_HEAD)}[/bold]", soft_wrap=True)
    session, warned, switched = "", dict[str, tuple[str, ...]](), False
    for one in lived:
        shown = "" if one.session == session else one.session
        session = one.session
        if one.skipped:
            said = _LINE.format(shown, one.strategy, "worked through already", *[""] * 5)
        else:
            said = _LINE.format(
                shown,
                one.strategy,
                ", ".join(one.online) + (" *" if one.switched else ""),
                ", ".join(one.trained),
                f"+{one.predictions}",
                f"+{one.labels}",
                "" if one.ic is None else f"{one.ic:+.4f}",
                one.top,
            )
        terminal.print(said.rstrip(), soft_wrap=True, highlight=False, markup=False)
        switched |= one.switched
        for warning in one.warnings:
            if warning.split(":")[0] not in warned.get(one.strategy, ()):
                terminal.print(
                    f"{'':12}[yellow]{warning}[/yellow]", soft_wrap=True, highlight=False
                )
        warned[one.strategy] = tuple(warning.split(":")[0] for warning in one.warnings)
    if switched:
        terminal.print("* serves since this session", soft_wrap=True, highlight=False)
