"""What is active here: experiment, recorder and address of this thread or asyncio task.

Context variables hold it, so threads, tasks and nested blocks do not disturb one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wf_dagster.settings import get_settings

if TYPE_CHECKING:
    from wf_dagster.tracking.mlflow_experiment import MLflowExperiment
    from wf_dagster.tracking.mlflow_recorder import MLflowRecorder


@dataclass(frozen=True)
class Active:
    """One start: its experiment and recorder, and the address it was given, if any."""

    experiment: MLflowExperiment
    recorder: MLflowRecorder
    given_uri: str | None = None


# Tuples, never changed in place: a task inherits its parent's and goes on with its own.
_starts: ContextVar[tuple[Active, ...]] = ContextVar("wf_dagster_active", default=())
_uri: ContextVar[str | None] = ContextVar("wf_dagster_uri", default=None)


def current() -> Active | None:
    """The innermost start whose recorder has not ended."""
    return next((a for a in reversed(_starts.get()) if a.recorder.running), None)


def push(active: Active) -> None:
    """Make it the innermost."""
    _starts.set((*_starts.get(), active))


def depth() -> int:
    """How many starts there are; the next one stands at this depth."""
    return len(_starts.get())


def since(depth: int) -> list[Active]:
    """The start at this depth and those inside it, innermost first."""
    return list(reversed(_starts.get()[depth:]))


def pop(depth: int) -> list[Active]:
    """Leave the start at this depth; returns it and those inside it, innermost first."""
    left = since(depth)
    _starts.set(_starts.get()[:depth])
    return left


def innermost() -> int | None:
    """Depth of the innermost start whose recorder has not ended."""
    starts = _starts.get()
    running = (d for d in range(len(starts) - 1, -1, -1) if starts[d].recorder.running)
    return next(running, None)


def default_uri() -> str:
    """The address for a start that is given none: that of ``uri_context``, or of the settings."""
    return _uri.get() or get_settings().resolved_tracking_uri()


def current_uri() -> str:
    """The address in use here: the one that the active start was given, or the default."""
    active = current()
    return (active and active.given_uri) or default_uri()


@contextmanager
def default_uri_set(uri: str) -> Iterator[None]:
    """Another default address inside the block, in this thread or task."""
    token = _uri.set(uri)
    try:
        yield
    finally:
        _uri.reset(token)
