"""Errors of this package as failures that Dagster shows without a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from wf_dagster.errors import WfError


@contextmanager
def wf_errors_as_failures() -> Iterator[None]:
    """Turn an error that already says what to do into a ``Failure`` that says just that."""
    try:
        yield
    except WfError as error:
        raise dg.Failure(description=str(error)) from None
