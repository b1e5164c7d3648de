"""Wait in tests for what is about to happen."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition.

    Args:
        condition: Asked again and again.
        seconds: How long it may take.

    Raises:
        AssertionError: It did not come true.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
