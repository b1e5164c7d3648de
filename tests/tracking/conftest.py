"""A fresh store for each test, copied instead of migrated anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stores import empty_store, ready_store
from wf_dagster.tracking.heartbeat_thread import HEARTBEAT_THREAD

__all__ = ["empty_store", "ready_store"]


@pytest.fixture(autouse=True)
def all_ended(ready_store: None) -> Iterator[None]:
    """No recorder is left running behind the test."""
    yield
    running = HEARTBEAT_THREAD.running()
    for recorder in running:
        HEARTBEAT_THREAD.remove(recorder)
    assert running == []
