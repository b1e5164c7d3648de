"""The recorder kept in MLflow: one run, addressed by its id, from its start to its end."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Mapping
from datetime import timezone
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import StoreError, TrackingError
from wf_dagster.start_hooks import HOOKS
from wf_dagster.tracking.code_state import (
    COMMAND_TAG,
    code_state,
    command_params,
    environment_tags,
)
from wf_dagster.tracking.heartbeat import BEAT_SECONDS, HEARTBEAT_TAG, Heartbeat
from wf_dagster.tracking.heartbeat_thread import HEARTBEAT_THREAD
from wf_dagster.tracking.process_exit import EXIT_WATCH, end_after, uncaught_error
from wf_dagster.tracking.recorder import Recorder
from wf_dagster.tracking.redaction import redacted
from wf_dagster.tracking.run_times import RunTime
from wf_dagster.tracking.store import call_store, current_files, current_store, get_client, run_url
from wf_dagster.tracking.tracking_settings import logged_variables

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

FAILURE_TAG = "wf_failure"
FLUSH_SECONDS = 3.0
_STATUSES = ("SCHEDULED", "RUNNING", "FINISHED", "FAILED", "KILLED")


class MLflowRecorder(Recorder):
    """A recorder kept in MLflow.

    From its start to its end, params, metrics and tags are gathered and written in batches:
    every few seconds, at the end, when they are read back, and by :meth:`flush`. Before and
    after that they are written at once. Frames are kept as Parquet, other objects as pickles.

    It can be pickled and used in another process.

    Args:
        run: An MLflow run.
        uri: The tracking address it was found at.
    """

    def __init__(self, run: Any, uri: str) -> None:
        self.uri = uri
        self.id = run.info.run_id
        self._take_run(run)
        self._reset()

    def _take_run(self, run: Any) -> None:
        self.name = run.info.run_name or ""
        self.experiment_id = run.info.experiment_id
        self.artifact_uri = current_files(self.uri, run.info.artifact_uri)
        self.start_time = RunTime.from_milliseconds(run.info.start_time)
        self.status = run.info.status
        # MLflow keeps the end of a run that was taken up again
        self.end_time = None if self.running else RunTime.from_milliseconds(run.info.end_time)
        self._take_values(run)

    def _reset(self) -> None:
        self.trusted = set()
        self._forget_waiting()
        self._shared = False
        self._beat_at = 0.0
        self._pid = 0
        self.thread = 0
        self.error_before: Any = None
        self.wanted_status: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        names = ("uri", "id", "name", "experiment_id", "artifact_uri", "start_time", "end_time")
        return {name: self.__dict__[name] for name in (*names, "status", "_held", "_params")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        if "_uri" in state:  # a recorder of Qlib's own, whose class this one stands for
            self.uri, self.id = state["_uri"], state["id"]
            self._take_run(call_store(self.uri, "reading a run", lambda c: c.get_run(self.id)))
            self._reset()
            return
        self.__dict__.update(state)
        for name in ("start_time", "end_time"):  # of before they compared with text
            if (time_before := state.get(name)) is not None:
                self.__dict__[name] = RunTime.fromtimestamp(time_before.timestamp(), timezone.utc)
        uri = current_store(self.uri)
        if uri != self.uri and _holds_run(uri, self.id):
            self.uri, self.artifact_uri = uri, current_files(uri, self.artifact_uri)
        self._read_at = -math.inf
        self._reset()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.status == self.STATUS_R

    @property
    def is_own(self) -> bool:
        """Whether this process started it; a forked copy of that process did not."""
        return self._pid == os.getpid()

    @property
    def client(self) -> MlflowClient:
        """MLflow's client of its tracking address."""
        return get_client(self.uri)

    @property
    def url(self) -> str:
        """Link to the run's page."""
        return run_url(self.experiment_id, self.id, self.uri)

    def set_recorder_name(self, rname: str) -> None:
        """Give it another name, on its page too.

        Raises:
            TrackingError: The store fails.
        """
        call_store(self.uri, "naming a run", lambda client: client.update_run(self.id, name=rname))
        self.name = rname

    # life

    def start_run(self) -> MLflowRecorder:
        """Start it, or go on with it; keeps the state of the code."""
        if self._is_live:
            return self
        tags = self.list_tags()
        self._shared = self.running and HEARTBEAT_TAG in tags
        # the tags first: a run that is RUNNING must not show the heartbeat of who had it before
        self.set_tags(**first_tags(self._shared))
        call_store(
            self.uri, "starting a run", lambda c: c.update_run(self.id, status=self.STATUS_R)
        )
        self.status, self.end_time = self.STATUS_R, None
        if FAILURE_TAG in tags:
            self.delete_tags(FAILURE_TAG)
        return self.go_live(is_first=COMMAND_TAG not in tags)

    def go_live(self, *, is_first: bool) -> MLflowRecorder:
        """Take charge of a run that is RUNNING in the store.

        Args:
            is_first: Whether nobody has before: params are written once, and another process that
                goes on with a run has another command line.
        """
        self._pid = os.getpid()
        self.thread = threading.get_ident()
        self.error_before = uncaught_error()
        self.wanted_status = None
        self._beat_at = time.monotonic()
        HEARTBEAT_THREAD.add(self)
        EXIT_WATCH.begin()
        if is_first:
            self.log_params(**command_params())
        try:
            for name, text in code_state().files.items():
                self._artifacts.write(name, text.encode())
        except TrackingError as error:  # nobody has it yet who could end it
            end_after(self, error, self.STATUS_FA)
            raise
        return self

    def end_run(self, status: str = Recorder.STATUS_FI, reason: str = "") -> None:
        """Write what is waiting and end the run.

        Args:
            status: ``FINISHED``, ``FAILED``, ``KILLED``, or ``SCHEDULED`` for one to go on with.
            reason: Why it failed; kept as a tag.

        Raises:
            TrackingError: The status is unknown; or values could not be logged. If the store
                does not answer, they still wait and this can be called again.
        """
        check_status(status)
        self.wanted_status = status
        if reason:
            self._buffer.add_tags({FAILURE_TAG: redacted(reason)})
        self.flush_noting()
        call_store(self.uri, "ending a run", lambda c: c.set_terminated(self.id, status))
        self.status, self.end_time = status, RunTime.now(timezone.utc)
        HEARTBEAT_THREAD.remove(self)
        HOOKS.end(self.id)
        EXIT_WATCH.release()
        if self._complaints:
            complaints, self._complaints = self._complaints, []
            raise TrackingError("; ".join(complaints))

    def beat(self) -> None:
        """Every few seconds: give a sign of life, and write what has waited long enough.

        Raises:
            TrackingError: It could not be written; it is tried again, and the end reports it.
        """
        due = time.monotonic() - self._beat_at >= BEAT_SECONDS
        if due:
            self._beat_at = time.monotonic()
            self._buffer.add_tags({HEARTBEAT_TAG: str(Heartbeat.now(self._shared))})
        if due or self._buffer.age() >= FLUSH_SECONDS:
            self.flush_noting(patience=0)

    def disown(self) -> None:
        """In a forked child: what waits is the parent's to write."""
        self._reset()


def check_status(status: str) -> None:
    """Refuse a status that MLflow does not know.

    Raises:
        TrackingError: It is unknown.
    """
    if status not in _STATUSES:
        raise TrackingError(f"status {status!r} is unknown: use one of {', '.join(_STATUSES)}")


def first_tags(shared: bool = False) -> dict[str, str]:
    """What a recorder says about the process that works on it."""
    return {
        **code_state().tags,
        **environment_tags(logged_variables()),
        HEARTBEAT_TAG: str(Heartbeat.now(shared)),
    }


def _holds_run(uri: str, run_id: str) -> bool:
    """Whether a store has a run; a copy of another lacks those that were made there since."""
    try:
        call_store(uri, "reading a run", lambda client: client.get_run(run_id))
    except StoreError as error:
        if error.passes:
            raise
        return False
    return True
