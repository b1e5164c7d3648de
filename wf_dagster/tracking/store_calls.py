"""Calls to the store: failures that pass are waited out, all others are told in our words."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, wait_exponential

from wf_dagster.errors import StoreError, WfError
from wf_dagster.tracking.addresses import hide_password

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 3.0
_QUIET_PAUSE = 0.5  # a failure that passes sooner is nothing to read of
_PASSING_CODES = {
    "ABORTED",
    "INTERNAL_ERROR",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "TEMPORARILY_UNAVAILABLE",
}
# by name: these libraries are not there for every kind of store
_PASSING_CLASSES = {"ConnectTimeout", "ConnectionError", "HTTPClientError", "SQLAlchemyError"}


def call_with_retry(uri: str, what: str, call: Callable[[], _T], *, patience: float) -> _T:
    """Call the store.

    Args:
        uri: Its address, for messages.
        what: What the call does, for messages.
        call: The call; it may be made several times.
        patience: Seconds for which a failure that may pass is tried again.

    Raises:
        StoreError: It failed for good, or for too long.
    """
    deadline = time.monotonic() + patience

    def is_over(state: RetryCallState) -> bool:
        return time.monotonic() + state.upcoming_sleep > deadline

    def warn(state: RetryCallState) -> None:
        if state.upcoming_sleep > _QUIET_PAUSE:
            _log.warning("%s failed, tried again: %s", what, _first_line(_error_of(state)))

    attempts = Retrying(
        retry=lambda state: passes(_error_of(state)),
        wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=is_over,
        before_sleep=warn,
        reraise=True,
    )
    try:
        return attempts(call)
    except WfError:  # in our words already
        raise
    except Exception as error:  # of MLflow, SQLAlchemy, requests, botocore, the disk
        raise _to_store_error(uri, what, error) from error


def passes(error: BaseException | None) -> bool:
    """Whether the call that failed with an error may succeed later."""
    if error is None or isinstance(error, WfError) or not isinstance(error, Exception):
        return False
    return any(_is_passing(cause) for cause in (error, error.__cause__) if cause is not None)


def _is_passing(cause: BaseException) -> bool:
    return (
        getattr(cause, "error_code", None) in _PASSING_CODES
        or bool(_PASSING_CLASSES & {kind.__name__ for kind in type(cause).__mro__})
        or getattr(getattr(cause, "response", None), "status_code", 0) >= 500
    )


def _to_store_error(uri: str, what: str, error: Exception) -> StoreError:
    may_pass = passes(error)
    remedy = ": look at it, then try again" if may_pass else ""
    failure = StoreError(
        f"the MLflow store {hide_password(uri)} failed while {what}: {_first_line(error)}{remedy}"
    )
    failure.code = str(getattr(error, "error_code", ""))
    failure.passes = may_pass
    return failure


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _first_line(error: BaseException | None) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
