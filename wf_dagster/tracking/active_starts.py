"""What is active here: experiment, recorder and address of this thread or asyncio task.

Context variables hold it, so threads, tasks and nested blocks do not disturb one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wf_dagster.tracking.tracking_settings import default_tracking_uri

if TYPE_CHECKING:
    from wf_dagster.tracking.mlflow_experiment import MLflowExperiment
    from wf_dagster.tracking.mlflow_recorder import MLflowRecorder


@dataclass(frozen=True)
class ActiveStart:
    """One start.

    Attributes:
        experiment: Its experiment.
        recorder: Its recorder.
        uri: The tracking address that it was called with, if it was, which holds inside it.
    """

    experiment: MLflowExperiment
    recorder: MLflowRecorder
    uri: str | None = None


# Tuples, never changed in place: a task inherits its parent's and goes on with its own.
_starts: ContextVar[tuple[ActiveStart, ...]] = ContextVar("wf_dagster_active", default=())
_uri: ContextVar[str | None] = ContextVar("wf_dagster_uri", default=None)


def current_start() -> ActiveStart | None:
    """The innermost start whose recorder has not ended."""
    depth = innermost_depth()
    return None if depth is None else _starts.get()[depth]


def push_start(start: ActiveStart) -> None:
    """Make it the innermost."""
    _starts.set((*_starts.get(), start))


def next_depth() -> int:
    """How many starts there are; the next one stands at this depth."""
    return len(_starts.get())


def starts_from(depth: int) -> list[ActiveStart]:
    """The start at this depth and those inside it, innermost first."""
    return list(reversed(_starts.get()[depth:]))


def pop_starts(depth: int) -> list[ActiveStart]:
    """Leave the start at this depth; returns it and those inside it, innermost first."""
    starts = starts_from(depth)
    _starts.set(_starts.get()[:depth])
    return starts


def innermost_depth() -> int | None:
    """Depth of the innermost start whose recorder has not ended."""
    starts = _starts.get()
    running = (d for d in range(len(starts) - 1, -1, -1) if starts[d].recorder.running)
    return next(running, None)


def default_uri() -> str:
    """The address of a start without one of its own: of ``uri_context``, or of the settings."""
    return _uri.get() or default_tracking_uri()


def tracking_uri(uri: str | None = None) -> str:
    """An address, or the one in use here: that of the active start, or the default."""
    if uri:
        return uri
    start = current_start()
    return (start and start.uri) or default_uri()


@contextmanager
def default_uri_replaced(uri: str) -> Iterator[None]:
    """Another default address inside the block, in this thread or task."""
    token = _uri.set(uri)
    try:
        yield
    finally:
        _uri.reset(token)
