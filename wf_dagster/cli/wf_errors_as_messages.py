"""Errors that a person can do something about, as a command tells them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from wf_dagster.errors import WfError


@contextmanager
def wf_errors_as_messages(exit_code: int = 2) -> Iterator[None]:
    """Inside the block an error of this package is one line and an exit code.

    Args:
        exit_code: That code.

    Raises:
        typer.Exit: There was such an error.
    """
    try:
        yield
    except WfError as error:
        typer.echo(f"wf-dagster: {error}", err=True)
        raise typer.Exit(exit_code) from None
