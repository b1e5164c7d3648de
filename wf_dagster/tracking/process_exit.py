"""Ends of the process: recorders that were left open end with the status they deserve."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import TrackingError
from wf_dagster.process import EndHooks, call_in_forked_children
from wf_dagster.tracking.heartbeat_thread import HEARTBEAT_THREAD
from wf_dagster.tracking.recorder import Recorder

if TYPE_CHECKING:
    from wf_dagster.tracking.mlflow_recorder import MLflowRecorder

_log = logging.getLogger(__name__)


def status_after(error: BaseException | None) -> str:
    """FINISHED without an error or after ``sys.exit(0)``, else FAILED."""
    is_clean = error is None or (isinstance(error, SystemExit) and error.code in (None, 0))
    return Recorder.STATUS_FI if is_clean else Recorder.STATUS_FA


def end_after(recorder: MLflowRecorder, error: BaseException, status: str = "") -> None:
    """End a recorder after an exception, which must not be hidden by a failing store."""
    if isinstance(error, SystemExit):
        EXIT_WATCH.note_exit(error)  # the recorders around this one end with the process
    try:
        recorder.end_run(status or status_after(error), reason=describe_failure(error))
    except TrackingError as failure:
        _log.error("recorder %s could not be ended: %s", recorder.id, failure)


def describe_failure(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return ""
    return " ".join(f"{type(error).__name__}: {error}".split())[:1000]


def uncaught_error() -> Any:
    """The last exception that nobody caught, in a script or an interactive session."""
    return getattr(sys, "last_value", None)


class _ExitWatch:
    """Remembers what went wrong while recorders run, so that the end of the process knows it."""

    def __init__(self) -> None:
        self._thread_errors: dict[int | None, BaseException | None] = {}
        self._exit: SystemExit | None = None
        self._hooks = EndHooks(
            on_end=self.end_open,
            on_exit=self.note_exit,
            on_thread_error=self._thread_errors.__setitem__,
            on_sigterm=self._note_sigterm,
        )
        call_in_forked_children(self._thread_errors.clear)  # those threads are the parent's

    def begin(self) -> None:
        """Watch, because a recorder runs."""
        self._exit = None  # whoever asked for it before was not obeyed
        self._hooks.install()

    def release(self) -> None:
        """Watch no more once no recorder runs."""
        self._hooks.undo(is_needed=lambda: bool(HEARTBEAT_THREAD.running()))
        if not HEARTBEAT_THREAD.running():
            self._thread_errors.clear()

    def note_exit(self, error: SystemExit) -> None:
        """Remember an exit that leaves the process."""
        self._exit = error

    def _note_sigterm(self, error: SystemExit) -> bool:
        running = HEARTBEAT_THREAD.running()
        for recorder in running:  # those of start_exp have no block that sees the exit
            self._thread_errors[recorder.thread] = error
        return bool(running)

    def end_open(self) -> None:
        """End what runs."""
        # multiprocessing ends its processes from a `finally`, where the exception still shows
        handled = sys.exc_info()[1]
        for recorder in reversed(HEARTBEAT_THREAD.running()):
            error = handled or self._thread_errors.get(recorder.thread)
            if error is None and uncaught_error() is not recorder.error_before:
                error = uncaught_error()
            error = error or self._exit
            try:
                status = recorder.wanted_status or status_after(error)
                recorder.end_run(status, reason=describe_failure(error) if error else "")
            except TrackingError as failure:
                _log.error("recorder %s could not be ended: %s", recorder.id, failure)
                # this is called twice: its store is not waited for again
                HEARTBEAT_THREAD.remove(recorder)


EXIT_WATCH = _ExitWatch()


def end_open_recorders() -> None:
    """End what this process has running, with the status it deserves; before ``os._exit``."""
    EXIT_WATCH.end_open()
