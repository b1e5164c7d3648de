"""Ends of the process: recorders that were left open end with the status they deserve."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
from multiprocessing import util
from typing import TYPE_CHECKING, Any, NoReturn

from wf_dagster.errors import TrackingError
from wf_dagster.tracking.keeper import KEEPER
from wf_dagster.tracking.recorder import Recorder

if TYPE_CHECKING:
    from wf_dagster.tracking.mlflow_recorder import MLflowRecorder

_log = logging.getLogger(__name__)


def status_after(error: BaseException | None) -> str:
    """FINISHED without an error or after ``sys.exit(0)``, else FAILED."""
    clean = error is None or (isinstance(error, SystemExit) and error.code in (None, 0))
    return Recorder.STATUS_FI if clean else Recorder.STATUS_FA


def end_after(recorder: MLflowRecorder, error: BaseException, status: str = "") -> None:
    """End a recorder after an exception, which must not be hidden by a failing store."""
    if isinstance(error, SystemExit):
        WATCH.exit = error  # the recorders around this one end with the process
    try:
        recorder.end_run(status or status_after(error), reason=reason_of(error))
    except TrackingError as failure:
        _log.error("recorder %s could not be ended: %s", recorder.id, failure)


def reason_of(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return ""
    return " ".join(f"{type(error).__name__}: {error}".split())[:1000]


class _Watch:
    """Remembers what went wrong, so that the end of the process knows it."""

    def __init__(self) -> None:
        self.dead_threads: dict[int, BaseException | None] = {}
        self.exit: SystemExit | None = None
        self._pid = 0

    def begin(self) -> None:
        self.exit = None  # whoever asked for it before was not obeyed
        if threading.current_thread() is threading.main_thread():
            _take_sigterm()
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self.dead_threads = {}
        atexit.register(self.end)
        # atexit does not run in the processes that multiprocessing starts, this does
        util.Finalize(None, self.end, exitpriority=100)
        previous = threading.excepthook

        def note(args: Any) -> None:
            if args.thread is not None:
                self.dead_threads[args.thread.ident] = args.exc_value
            previous(args)

        threading.excepthook = note
        self._watch_exit()

    def _watch_exit(self) -> None:
        """Remember the code of ``sys.exit``: at the end of the process it cannot be asked for."""
        previous = sys.exit

        def leave(status: Any = None) -> NoReturn:
            if threading.current_thread() is threading.main_thread():
                self.exit = SystemExit(status)
            previous(status)

        sys.exit = leave

    def end(self) -> None:
        # multiprocessing ends its processes from a `finally`, where the exception still shows
        error = sys.exc_info()[1]
        for recorder in reversed(KEEPER.running()):
            own = error or self.dead_threads.get(recorder.thread)
            if own is None and uncaught() is not recorder.error_before:
                own = uncaught()
            own = own or self.exit
            try:
                status = recorder.wanted_status or status_after(own)
                recorder.end_run(status, reason=reason_of(own) if own else "")
            except TrackingError as failure:
                _log.error("recorder %s could not be ended: %s", recorder.id, failure)
                KEEPER.remove(recorder)  # this is called twice: its store is not waited for again


def uncaught() -> Any:
    """The last exception that nobody caught, in a script or an interactive session."""
    return getattr(sys, "last_value", None)


WATCH = _Watch()


def end_open_recorders() -> None:
    """End what this process has running, with the status it deserves; before ``os._exit``."""
    WATCH.end()


def _take_sigterm() -> None:
    """Turn SIGTERM into SystemExit while a recorder runs, unless somebody handles it already."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def release_sigterm() -> None:
    """Handle SIGTERM no more once no recorder runs."""
    main = threading.current_thread() is threading.main_thread()
    if main and not KEEPER.running() and signal.getsignal(signal.SIGTERM) is _terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminated(number: int, _frame: Any) -> None:
    if not KEEPER.running():
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    error = SystemExit(128 + number)
    for recorder in KEEPER.running():  # those of start_exp have no block that sees the exit
        WATCH.dead_threads[recorder.thread] = error
    raise error
