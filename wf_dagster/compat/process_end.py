"""What Qlib does about a recorder that is active when the process ends."""

from __future__ import annotations

import traceback
from types import TracebackType

from wf_dagster.tracking import R, Recorder


def experiment_exit_handler() -> None:
    """Nothing: a recorder that is open at the end of the process is ended by whoever started it.

    ``qlib.init`` calls this, so that recorders end. This project's do so by themselves, with the
    status that the exit code has, and leave ``sys.excepthook`` to others.
    """


def experiment_exception_hook(
    exc_type: type[BaseException], value: BaseException, tb: TracebackType | None
) -> None:
    """Print an exception, and end the active recorder as FAILED, as ``sys.excepthook`` would."""
    traceback.print_exception(exc_type, value, tb)
    R.end_exp(Recorder.STATUS_FA)
