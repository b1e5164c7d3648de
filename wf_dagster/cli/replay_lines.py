"""The lines of a replay in a terminal: one a strategy and session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from wf_dagster.orchestration.location.replayed_sessions import SessionReport

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


def open_console() -> Console:
    """A console on a copy of stdout: while a step runs, Dagster captures the original."""
    return Console(file=os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8"))


def print_replay(terminal: Console, reports: Iterable[SessionReport]) -> None:
    """Print each report as soon as it is there."""
    terminal.print(f"[bold]{_LINE.format(*_HEAD)}[/bold]", soft_wrap=True)
    session, warned, switched = "", dict[str, tuple[str, ...]](), False
    for report in reports:
        day = "" if report.session == session else report.session
        session = report.session
        if report.skipped:
            line = _LINE.format(day, report.strategy, "worked through already", *[""] * 5)
        else:
            line = _LINE.format(
                day,
                report.strategy,
                ", ".join(report.online) + (" *" if report.switched else ""),
                ", ".join(report.trained),
                f"+{report.predictions}",
                f"+{report.labels}",
                "" if report.ic is None else f"{report.ic:+.4f}",
                report.top,
            )
        terminal.print(line.rstrip(), soft_wrap=True, highlight=False, markup=False)
        switched |= report.switched
        for warning in report.warnings:
            if warning.split(":")[0] not in warned.get(report.strategy, ()):
                terminal.print(
                    f"{'':12}[yellow]{warning}[/yellow]", soft_wrap=True, highlight=False
                )
        warned[report.strategy] = tuple(warning.split(":")[0] for warning in report.warnings)
    if switched:
        terminal.print("* serves since this session", soft_wrap=True, highlight=False)
