"""A run's log as a progress bar in a terminal, as plain lines elsewhere."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_STEP = re.compile(r"(?P<name>\S+) (?P<roll>\S+) \[(?P<done>\d+)/(?P<total>\d+)\] (?P<said>.*)")


class _Watcher(logging.Handler):
    """Turns the log lines of a roll into progress."""

    def __init__(self, console: Console, total: int) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal or not total,
            transient=True,
        )
        self._task = self._bar.add_task("rolls", total=total or None)

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None) or {}
        message = str(meta.get("orig_message") or record.getMessage())
        found = _STEP.match(message)
        if found:
            self._bar.update(
                self._task, completed=int(found["done"]), description=f"roll {found['roll']}"
            )
        event = meta.get("dagster_event")
        plain = found and (not self._bar.disable)
        if event is None and not plain and record.levelno >= logging.INFO:
            self._console.print(f"  {message}", soft_wrap=True, highlight=False, markup=False)

    def __enter__(self) -> _Watcher:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


_LOGGER = logging.getLogger("assets.progress")
_LOGGER.setLevel(logging.INFO)
_LOGGER.propagate = False


@dg.logger(None, description="Progress of the rolls in the terminal.")
def progress_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """The Dagster logger that the demo runs with."""
    return _LOGGER


@contextmanager
def watching(console: Console, total: int) -> Iterator[None]:
    """Show the progress of the runs inside the block."""
    with _Watcher(console, total) as watcher:
        _LOGGER.addHandler(watcher)
        try:
            yield
        finally:
            _LOGGER.removeHandler(watcher)
