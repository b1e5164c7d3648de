"""Wait for a store that went away, for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from wf_dagster.errors import PoolStoreError

T = TypeVar("T")
_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 2.0


def patiently(
    call: Callable[[bool], T],
    *,
    address: str,
    patience: float,
    passing: Callable[[Exception], bool],
    ours: type[Exception],
) -> T:
    """Make a call, again and again while the store is away.

    Args:
        call: The call; it is told whether it is made again, because then the first one may have
            been carried out although its answer was lost.
        address: The store, for messages.
        patience: Seconds to go on for.
        passing: Whether an error may pass by itself.
        ours: The library's errors.

    Raises:
        PoolStoreError: The store stayed away, or failed otherwise.
    """
    started = time.monotonic()
    pause = 0.05
    again = False
    while True:
        try:
            return call(again)
        except ours as error:
            waited = time.monotonic() - started
            if not passing(error):
                raise PoolStoreError(f"the task store {address} failed: {first(error)}") from error
            if waited + pause > patience:
                raise PoolStoreError(
                    f"the task store {address} has not answered for {waited:.0f} s "
                    f"({first(error)}): tasks that were fetched go back by themselves when their "
                    "leases run out; start the store and go on"
                ) from error
            if not again:
                _log.warning("task store %s: %s; waiting for it", address, first(error))
        again = True
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def first(error: BaseException) -> str:
    """The first line of an error's message."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    # the rest of what pymongo says describes its settings and the topology
    told = lines[0].split(" (configured timeouts")[0].split(", Timeout:")[0] if lines else ""
    return told[:300] or type(error).__name__
