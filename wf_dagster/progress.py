"""A bar for long work in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on stderr inside the block; nothing where stderr is no terminal.

    Args:
        label: What is done.
        total: How much there is to do.

    Yields:
        ``update(done, total)``; the total stays as it was with ``None``.
    """
    from rich.console import Console  # slow to import
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task(label, total=total)

        def update(done: int, total: int | None = None) -> None:
            progress.update(bar, completed=done, total=total)

        yield update
