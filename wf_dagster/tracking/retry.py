"""Calls to the store: failures that pass are waited out, all others are told in our words."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from wf_dagster.errors import StoreError as StoreError
from wf_dagster.errors import WfError
from wf_dagster.settings import get_settings
from wf_dagster.tracking.addresses import safe

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_LONGEST_PAUSE = 3.0
_PASSING_CODES = {
    "ABORTED",
    "INTERNAL_ERROR",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "TEMPORARILY_UNAVAILABLE",
}
# by name: these libraries are not there for every kind of store
_PASSING_CLASSES = {"ConnectTimeout", "ConnectionError", "HTTPClientError", "SQLAlchemyError"}


def ask(uri: str, what: str, call: Callable[[], _T], *, patience: float | None = None) -> _T:
    """Call the store.

    Args:
        uri: Its address, for messages.
        what: What the call does, for messages.
        call: The call; it may be made several times.
        patience: Seconds for which a failure that may pass is tried again; default the setting
            ``tracking_patience``.

    Raises:
        StoreError: It failed for good, or for too long.
    """
    if patience is None:
        patience = get_settings().tracking_patience
    deadline = time.monotonic() + patience
    pause = 0.05
    while True:
        try:
            return call()
        except WfError:  # said in our words already
            raise
        except Exception as error:  # of MLflow, SQLAlchemy, requests, botocore, the disk
            passes = _passes(error)
            if not passes or time.monotonic() + pause > deadline:
                raise _translated(uri, what, error, passes) from error
            if pause > 0.5:
                _log.warning("%s failed, tried again: %s", what, _reason(error))
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _passes(error: BaseException) -> bool:
    for cause in (error, error.__cause__):
        if cause is None:
            continue
        if getattr(cause, "error_code", None) in _PASSING_CODES:
            return True
        if _PASSING_CLASSES & {kind.__name__ for kind in type(cause).__mro__}:
            return True
        if getattr(getattr(cause, "response", None), "status_code", 0) >= 500:
            return True
    return False


def _translated(uri: str, what: str, error: Exception, passes: bool) -> StoreError:
    remedy = ": look at it, then try again" if passes else ""
    made = StoreError(f"the MLflow store {safe(uri)} failed while {what}: {_reason(error)}{remedy}")
    made.code = str(getattr(error, "error_code", ""))
    made.passes = passes
    return made


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
