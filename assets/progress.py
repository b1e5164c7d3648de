"""A run's log as a progress bar in a terminal, as plain lines elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from wf_dagster.orchestration.roll_progress import RollProgress


class _ProgressHandler(logging.Handler):
    """Moves a bar with the progress of rolls, and prints what else is logged."""

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
        progress = RollProgress.of_record(record)
        if progress is not None:
            self._bar.update(
                self._task, completed=progress.done, description=f"roll {progress.roll}"
            )
        is_on_bar = progress is not None and not self._bar.disable
        is_event = meta.get("dagster_event") is not None
        if not is_event and not is_on_bar and record.levelno >= logging.INFO:
            message = str(meta.get("orig_message") or record.getMessage())
            self._console.print(f"  {message}", soft_wrap=True, highlight=False, markup=False)

    def __enter__(self) -> _ProgressHandler:
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
def show_progress(console: Console, total: int) -> Iterator[None]:
    """Show the progress of the runs inside the block."""
    with _ProgressHandler(console, total) as handler:
        _LOGGER.addHandler(handler)
        try:
            yield
        finally:
            _LOGGER.removeHandler(handler)
