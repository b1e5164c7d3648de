"""What a worker process does. It is imported once, before the workers are forked."""

from __future__ import annotations

import logging
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

from wf_dagster.errors import MissingExtraError, ObjectNotFoundError, TrainingError, WfError
from wf_dagster.moments import format_moment, to_stamp
from wf_dagster.process import call_in_forked_children, save_main_by_value, unpack
from wf_dagster.records import ic_plot_png, markdown_image
from wf_dagster.settings import restore
from wf_dagster.tasks import modules_named
from wf_dagster.tracking import R, end_open_recorders, run_url
from wf_dagster.training.refresh import refresh_analysis, refresh_recorder
from wf_dagster.training.roll_jobs import RollJob, RollOutcome, Segments
from wf_dagster.training.task import end_task_train, task_train

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 8.0
_TERMINATED = 128 + signal.SIGTERM
_LEAVING = threading.Event()


def initialise_worker(
    settings: Mapping[str, Any],
    threads: int,
    variables: Mapping[str, str],
    start_method: str | None = None,
) -> None:
    """Initialise a worker process: same settings, its share of the cores.

    Args:
        settings: Those of the parent (:func:`wf_dagster.settings.snapshot`).
        threads: Threads that the numerical libraries may use.
        variables: The same, as the environment variables that those libraries read.
        start_method: How models start processes of their own; ``None`` for the system's way.
    """
    from threadpoolctl import threadpool_limits

    os.environ.update(variables)
    threadpool_limits(threads)
    restore(settings)
    save_main_by_value()
    # else processes of a model's would be started as this one: a PyTorch model has some for each
    # pass over its data, and each would import PyTorch anew
    multiprocessing.set_start_method(start_method, force=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(os, "register_at_fork"):
        # a signal between the fork and its first line would still be the worker's: it waits
        os.register_at_fork(before=_hold_sigterm, after_in_parent=_release_sigterm)
        call_in_forked_children(_stop_answering_sigterm)
    threading.Thread(target=_end_after_sigterm, args=(reader,), daemon=True).start()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _leave(*_: object) -> None:
    """End through the recorder's context manager, which marks the run FAILED."""
    if not _LEAVING.is_set():  # the pool sends the signal twice; once is enough
        _LEAVING.set()
        sys.exit(_TERMINATED)


def _stop_answering_sigterm() -> None:
    """A process that a model forks shares the pipe: what ends it would end the worker."""
    if signal.getsignal(signal.SIGTERM) is _leave:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _release_sigterm()


def _hold_sigterm() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _release_sigterm() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _end_after_sigterm(reader: int) -> None:
    """A worker that does not leave when it is told to would keep the parent waiting for ever.

    Python drops an exit that is raised while it collects garbage, and a model may catch it.
    """
    while signal.SIGTERM not in os.read(reader, 64):
        pass
    time.sleep(_GRACE_SECONDS)
    ending = threading.Thread(target=end_open_recorders, daemon=True)
    ending.start()
    ending.join(_GRACE_SECONDS)  # their store may not answer
    os._exit(_TERMINATED)


def _end_with_parent() -> None:
    """A killed parent must not leave its workers behind, waiting for rolls for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def run_packed_job(label: RollJob, content: bytes) -> RollOutcome:
    """Work through a roll that another process has packed.

    Args:
        label: The job without what may need code of the user's.
        content: The whole job (:func:`wf_dagster.process.pack`).
    """
    try:
        job: RollJob = unpack(content)
    except TrainingError as error:
        return RollOutcome.failed(label, str(error), traceback.format_exc())
    return run_job(job)


def run_job(job: RollJob) -> RollOutcome:
    """Work through one roll; a failure is an outcome, never an exception."""
    started = time.perf_counter()
    try:
        before = _predicted_rows(job)
        recorder = _work_on_recorder(job)
        outcome = _report(job, recorder, started)
        return outcome if before is None else _count_late_rows(outcome, before, recorder)
    except WfError as error:
        return RollOutcome.failed(job, str(error), traceback.format_exc())
    except Exception as error:  # a user's model or record may raise anything
        message = " ".join(f"{type(error).__name__}: {error}".split())
        return RollOutcome.failed(job, message, traceback.format_exc())
    finally:
        _close_figures()
        if _LEAVING.is_set():  # the pool would take the exit for the roll's own failure and go on
            end_open_recorders()  # the signal may have come where no block sees the exit
            os._exit(_TERMINATED)


def _work_on_recorder(job: RollJob) -> Recorder:
    if job.kind == "train":
        assert job.task is not None
        return task_train(
            job.task,
            job.experiment_name,
            recorder_name=job.recorder_name,
            parent_run_id=job.parent_run_id,
            tags=job.tags,
            market=job.market,
        )
    recorder = R.get_recorder(recorder_id=job.recorder_id, experiment_name=job.experiment_name)
    if job.task is not None:
        recorder.trust(modules_named(job.task))
    if job.kind == "end":
        return end_task_train(recorder, job.experiment_name, tags=job.tags, market=job.market)
    if job.kind == "refresh":
        refresh_recorder(recorder, job.task, market=job.market)
    if job.kind == "update":
        refresh_analysis(recorder, job.task or recorder.load_object("task"), market=job.market)
    return recorder


def _predicted_rows(job: RollJob) -> Any:
    """The rows that a recorder has predicted before it predicts again."""
    if job.kind != "refresh":
        return None
    recorder = R.get_recorder(recorder_id=job.recorder_id, experiment_name=job.experiment_name)
    pred = _load_object(recorder, "pred.pkl")
    return None if pred is None else pred.index


def _count_late_rows(outcome: RollOutcome, before: Any, recorder: Recorder) -> RollOutcome:
    """The outcome, with the rows that are new on days which were there before."""
    rows = recorder.load_object("pred.pkl").index
    days = before.get_level_values("datetime")
    late = int((rows.get_level_values("datetime").isin(days) & ~rows.isin(before)).sum())
    if late:
        _log.warning("roll %s: %d rows are added to days that were predicted", outcome.key, late)
    return replace(outcome, late_rows=late)


def _report(job: RollJob, recorder: Recorder, started: float) -> RollOutcome:
    metrics = dict(recorder.list_metrics())
    outcome = RollOutcome(
        key=job.key,
        kind=job.kind,
        fingerprint=job.fingerprint,
        recorder_id=recorder.id,
        url=run_url(recorder.experiment_id, recorder.id),
        metrics=metrics,
        fit_seconds=metrics.get("fit_seconds", 0.0),
        seconds=time.perf_counter() - started,
    )
    return _add_figures(outcome, job, recorder) if job.figures else outcome


def _add_figures(outcome: RollOutcome, job: RollJob, recorder: Recorder) -> RollOutcome:
    task = job.task or recorder.load_object("task")
    ic, ric = (
        _load_object(recorder, "sig_analysis/ic.pkl"),
        _load_object(recorder, "sig_analysis/ric.pkl"),
    )
    plot = ""
    if ic is not None and ic.notna().any():
        plot = _draw_ic(ic, ric, job.key)
    pred = _load_object(recorder, "pred.pkl")
    return replace(
        outcome,
        segments=_to_iso(task["dataset"]["kwargs"].get("segments", {})),
        rows=0 if pred is None else len(pred),
        plot=plot,
    )


def _draw_ic(ic: Any, ric: Any, key: str) -> str:
    """The plot as Markdown; without matplotlib how to have it, which is no reason to fail."""
    try:
        return markdown_image(ic_plot_png(ic, ric), f"IC of roll {key}")
    except MissingExtraError as error:
        return str(error)


def _load_object(recorder: Recorder, name: str) -> Any:
    try:
        return recorder.load_object(name)
    except ObjectNotFoundError:  # the task has no such record
        return None


def _to_iso(segments: Mapping[str, Any]) -> Segments:
    return {
        name: tuple(None if end is None else format_moment(to_stamp(end)) for end in pair)  # type: ignore[misc]
        for name, pair in segments.items()
    }


def _close_figures() -> None:
    """A record of the user's may have left pyplot figures open."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
