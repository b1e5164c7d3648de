"""Wait for a store that went away, for a while."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_before_delay,
    wait_exponential,
)

from wf_dagster.errors import PoolStoreError

T = TypeVar("T")
_log = logging.getLogger(__name__)
_FIRST_PAUSE = 0.05  # seconds; each is twice as long as the one before
_LONGEST_PAUSE = 2.0


@dataclass(frozen=True)
class RetryPolicy:
    """Which failures of a store are waited out, and for how long.

    Attributes:
        address: The store, for messages.
        patience: Seconds to go on for.
        library_error: Base class of the errors of the store's library.
        may_pass: Whether such an error may pass by itself.
    """

    address: str
    patience: float
    library_error: type[Exception]
    may_pass: Callable[[Exception], bool]


def call_with_retry(call: Callable[[bool], T], policy: RetryPolicy) -> T:
    """Make a call, again and again while the store is away.

    Args:
        call: The call; its argument is whether it is made again, because then the first one may
            have been carried out although its answer was lost.
        policy: Which failures are waited out.

    Raises:
        PoolStoreError: The store stayed away, or failed otherwise.
    """

    retrying = Retrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, policy.library_error) and policy.may_pass(error)
        ),
        wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=stop_before_delay(policy.patience),
        before_sleep=lambda state: _warn_once(state, policy.address),
        reraise=True,
    )
    try:
        for attempt in retrying:
            with attempt:
                return call(attempt.retry_state.attempt_number > 1)
    except policy.library_error as error:
        if not policy.may_pass(error):
            raise PoolStoreError(
                f"the task store {policy.address} failed: {first_line(error)}"
            ) from error
        waited = retrying.statistics["delay_since_first_attempt"]
        raise PoolStoreError(
            f"the task store {policy.address} has not answered for {waited:.0f} s "
            f"({first_line(error)}): tasks that were fetched go back by themselves when their "
            "leases run out; start the store and go on"
        ) from error
    raise AssertionError("the last attempt returns or raises")


def _warn_once(state: RetryCallState, address: str) -> None:
    error = state.outcome.exception() if state.outcome else None
    if error is not None and state.attempt_number == 1:
        _log.warning("task store %s: %s; waiting for it", address, first_line(error))


def first_line(error: BaseException) -> str:
    """The first line of an error's message."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    # the rest of what pymongo says describes its settings and the topology
    line = lines[0].split(" (configured timeouts")[0].split(", Timeout:")[0] if lines else ""
    return line[:300] or type(error).__name__
