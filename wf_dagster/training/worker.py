"""What a worker process does. It is imported once, before the workers are forked."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import WfError
from wf_dagster.records import ic_plot_png, markdown_image
from wf_dagster.settings import restore
from wf_dagster.tracking import R, end_open_recorders, run_url
from wf_dagster.training.refresh import refresh_analysis, refresh_recorder
from wf_dagster.training.roll_jobs import RollJob, RollOutcome, Segments
from wf_dagster.training.task import end_task_train, task_train

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_GRACE_SECONDS = 8.0
_TERMINATED = 128 + signal.SIGTERM
_LEAVING = threading.Event()


def start(settings: Mapping[str, Any], threads: int, variables: Mapping[str, str]) -> None:
    """Initialise a worker process: same settings, its share of the cores.

    Args:
        settings: Those of the parent (:func:`wf_dagster.settings.snapshot`).
        threads: Threads that the numerical libraries may use.
        variables: The same, as the environment variables that those libraries read.
    """
    from threadpoolctl import threadpool_limits

    os.environ.update(variables)
    threadpool_limits(threads)
    restore(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_after_sigterm, args=(reader,), daemon=True).start()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _leave(*_: object) -> None:
    """End through the recorder's context manager, which marks the run FAILED."""
    if not _LEAVING.is_set():  # the pool sends the signal twice; once is enough
        _LEAVING.set()
        sys.exit(_TERMINATED)


def _end_after_sigterm(reader: int) -> None:
    """A worker that does not leave when it is told to would keep the parent waiting for ever."""
    while signal.SIGTERM not in os.read(reader, 64):
        pass
    time.sleep(_GRACE_SECONDS)
    os._exit(_TERMINATED)


def _end_with_parent() -> None:
    """A killed parent must not leave its workers behind, waiting for rolls for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def do(work: RollJob) -> RollOutcome:
    """Work through one roll; a failure is an outcome, never an exception."""
    started = time.perf_counter()
    try:
        recorder = _recorder(work)
        return _outcome(work, recorder, started)
    except WfError as error:
        return RollOutcome.failed(work, str(error), traceback.format_exc())
    except Exception as error:  # a user's model or record may raise anything
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return RollOutcome.failed(work, message, traceback.format_exc())
    finally:
        _close_figures()
        if _LEAVING.is_set():  # the pool would take the exit for the roll's own failure and go on
            end_open_recorders()  # the signal may have come where no block sees the exit
            os._exit(_TERMINATED)


def _recorder(work: RollJob) -> Recorder:
    if work.kind == "train":
        assert work.task is not None
        return task_train(
            work.task,
            work.experiment_name,
            recorder_name=work.recorder_name,
            parent_run_id=work.parent_run_id,
            tags=work.tags,
        )
    recorder = R.get_recorder(recorder_id=work.recorder_id, experiment_name=work.experiment_name)
    if work.kind == "end":
        return end_task_train(recorder, work.experiment_name, tags=work.tags)
    if work.kind == "refresh":
        refresh_recorder(recorder, work.task)
    if work.kind == "update":
        refresh_analysis(recorder, work.task or recorder.load_object("task"))
    return recorder


def _outcome(work: RollJob, recorder: Recorder, started: float) -> RollOutcome:
    metrics = dict(recorder.list_metrics())
    done = RollOutcome(
        key=work.key,
        kind=work.kind,
        fingerprint=work.fingerprint,
        recorder_id=recorder.id,
        url=run_url(recorder.experiment_id, recorder.id),
        metrics=metrics,
        fit_seconds=metrics.get("fit_seconds", 0.0),
        seconds=time.perf_counter() - started,
    )
    return _with_figures(done, work, recorder) if work.figures else done


def _with_figures(done: RollOutcome, work: RollJob, recorder: Recorder) -> RollOutcome:
    task = work.task or recorder.load_object("task")
    ic, ric = _object(recorder, "sig_analysis/ic.pkl"), _object(recorder, "sig_analysis/ric.pkl")
    plot = ""
    if ic is not None and ic.notna().any():
        plot = markdown_image(ic_plot_png(ic, ric), f"IC of roll {work.key}")
    pred = _object(recorder, "pred.pkl")
    return replace(
        done,
        segments=_iso(task["dataset"]["kwargs"].get("segments", {})),
        rows=0 if pred is None else len(pred),
        plot=plot,
    )


def _object(recorder: Recorder, name: str) -> Any:
    from wf_dagster.errors import ObjectNotFoundError

    try:
        return recorder.load_object(name)
    except ObjectNotFoundError:  # the task has no such record
        return None


def _iso(segments: Mapping[str, Any]) -> Segments:
    return {
        name: tuple(None if end is None else str(end)[:10] for end in pair)  # type: ignore[misc]
        for name, pair in segments.items()
    }


def _close_figures() -> None:
    """A record of the user's may have left pyplot figures open."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
