"""No recorder is left running behind a test of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wf_dagster.tracking.heartbeat_thread import HEARTBEAT_THREAD


@pytest.fixture(autouse=True)
def all_ended(ready_store: None) -> Iterator[None]:
    """No recorder is left running behind the test."""
    yield
    running = HEARTBEAT_THREAD.running()
    for recorder in running:
        HEARTBEAT_THREAD.remove(recorder)
    assert running == []
