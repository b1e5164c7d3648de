"""Find runs whose process died without ending them, and end them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from wf_dagster.errors import ExperimentNotFoundError
from wf_dagster.tracking.active_starts import tracking_uri
from wf_dagster.tracking.experiment_manager import MLflowExpManager
from wf_dagster.tracking.heartbeat import BEAT_SECONDS, HEARTBEAT_TAG, Heartbeat
from wf_dagster.tracking.mlflow_recorder import FAILURE_TAG, MLflowRecorder
from wf_dagster.tracking.recorder import Recorder
from wf_dagster.tracking.run_kinds import KIND_TAG, PARENT, PARENT_TAG, RUN_TAG
from wf_dagster.tracking.run_search import find_runs, quote_text
from wf_dagster.tracking.run_times import RunTime
from wf_dagster.tracking.store import call_store

STALE_SECONDS = 900.0
_RUNNING = "attributes.status = 'RUNNING'"
_MISSED_SECONDS = 4 * BEAT_SECONDS


@dataclass(frozen=True)
class DeadRun:
    """A run that nobody works on any more.

    Attributes:
        recorder: The recorder.
        reason: How that is known.
        last_sign: When its process last gave a sign of life.
    """

    recorder: MLflowRecorder
    reason: str
    last_sign: datetime


def find_dead(
    experiment_name: str | None = None,
    *,
    uri: str | None = None,
    stale_seconds: float = STALE_SECONDS,
) -> list[DeadRun]:
    """Runs that are RUNNING though their process is gone.

    On this machine that is a process that is not there any more; on another one, which cannot
    be asked, a heartbeat older than ``stale_seconds``. A run without heartbeat was not started
    here and is left alone.

    Args:
        experiment_name: Where to look; default everywhere.
        uri: MLflow tracking address; default that of the settings.
        stale_seconds: Age in seconds of a heartbeat of another machine that counts as dead.

    Raises:
        ExperimentNotFoundError: There is no such experiment.
    """
    address = tracking_uri(uri)
    return list(
        _iter_dead(address, _experiment_ids(experiment_name, address), _RUNNING, stale_seconds)
    )


def sweep(
    experiment_name: str | None = None,
    *,
    uri: str | None = None,
    stale_seconds: float = STALE_SECONDS,
) -> list[DeadRun]:
    """Set the runs that :func:`find_dead` finds FAILED, with the reason as tag ``wf_failure``.

    Their end time becomes the last sign of life.

    Returns:
        The runs that were ended.
    """
    address = tracking_uri(uri)
    return _end_dead(address, _experiment_ids(experiment_name, address), _RUNNING, stale_seconds)


def sweep_children(parent_run_id: str, experiment_name: str) -> list[DeadRun]:
    """As :func:`sweep`, for the recorders under one parent run.

    Args:
        parent_run_id: The MLflow run of the parent.
        experiment_name: Its experiment.
    """
    address = tracking_uri(None)
    wanted = f"{_children_filter(parent_run_id)} and {_RUNNING}"
    return _end_dead(address, _experiment_ids(experiment_name, address), wanted, STALE_SECONDS)


def _experiment_ids(name: str | None, uri: str) -> list[str]:
    """The ids of all experiments, or of the one with this name."""
    experiments = MLflowExpManager(uri).list_experiments()
    if name is None:
        return [experiment.id for experiment in experiments.values()]
    if name not in experiments:
        raise ExperimentNotFoundError(f"there is no experiment called {name!r}")
    return [experiments[name].id]


def _children_filter(parent_run_id: str) -> str:
    return f"tags.`{PARENT_TAG}` = {quote_text(parent_run_id)}"


def _end_dead(uri: str, ids: list[str], wanted: str, stale_seconds: float) -> list[DeadRun]:
    ended = []
    for dead in _iter_dead(uri, ids, wanted, stale_seconds):
        dead.recorder.reload()  # somebody may have gone on with it or ended it since
        if _judge(dead.recorder, stale_seconds) is not None:
            _end_run(dead, uri)
            ended.append(dead)
    return ended


def _iter_dead(uri: str, ids: list[str], wanted: str, stale_seconds: float) -> Iterator[DeadRun]:
    for run in find_runs(uri, ids, wanted) if ids else ():
        recorder = MLflowRecorder(run, uri)
        verdict = _judge(recorder, stale_seconds)
        if verdict is not None:
            yield DeadRun(recorder, *verdict)


def _judge(recorder: MLflowRecorder, stale_seconds: float) -> tuple[str, datetime] | None:
    tags = recorder.held_tags
    beat = Heartbeat.parse(tags.get(HEARTBEAT_TAG))
    if beat is None or recorder.status != Recorder.STATUS_R:
        return None
    when = f"its last sign of life was {beat.time:%Y-%m-%d %H:%M:%S} UTC"
    if not beat.is_local():
        if beat.age() < stale_seconds:
            return None
        reason = f"process {beat.pid} on {beat.host.split()[0]} gives no sign of life: {when}"
        return reason, beat.time
    if beat.lives():
        return None
    # Another process that works on the run puts its own heartbeat in place at its next beat.
    is_shared = beat.shared or tags.get(KIND_TAG) == PARENT
    if is_shared and beat.age() < _MISSED_SECONDS:
        return None
    reason = f"process {beat.pid} on {beat.host.split()[0]} died without ending its run: {when}"
    return reason, beat.time


def _end_run(dead: DeadRun, uri: str) -> None:
    recorder = dead.recorder
    recorder.set_tags(**{FAILURE_TAG: dead.reason})
    ended = int(dead.last_sign.timestamp() * 1000)
    call_store(
        uri,
        "ending a dead run",
        lambda client: client.set_terminated(recorder.id, Recorder.STATUS_FA, ended),
    )
    recorder.status, recorder.end_time = Recorder.STATUS_FA, RunTime.from_milliseconds(ended)


def holder(recorder: MLflowRecorder, stale_seconds: float = STALE_SECONDS) -> str | None:
    """The living process that works on a run, in words; ``None`` when nobody does."""
    recorder.reload()
    beat = Heartbeat.parse(recorder.list_tags().get(HEARTBEAT_TAG))
    if beat is None or not recorder.running or _judge(recorder, stale_seconds) is not None:
        return None
    return f"process {beat.pid} on {beat.host.split()[0]}"


def end_runs_of(dagster_run_id: str, why: str) -> list[MLflowRecorder]:
    """End what a Dagster run that is over has left RUNNING: its recorders, then its parent run.

    Recorders that a living process works on, such as a worker elsewhere, are left alone.

    Args:
        dagster_run_id: The Dagster run.
        why: The reason, kept as tag ``wf_failure``.

    Returns:
        The runs that were ended; they are ``FAILED``.
    """
    uri = tracking_uri(None)
    ids = _experiment_ids(None, uri)
    ended = []
    parents = f"tags.{RUN_TAG} = {quote_text(dagster_run_id)}"
    for parent in find_runs(uri, ids, parents) if ids else ():
        wanted = f"{_children_filter(parent.info.run_id)} and {_RUNNING}"
        for run in [*find_runs(uri, ids, wanted), parent]:
            recorder = MLflowRecorder(run, uri)
            if recorder.running and (run is parent or holder(recorder) is None):
                recorder.set_tags(**{FAILURE_TAG: why})
                recorder.end_run(MLflowRecorder.STATUS_FA)
                ended.append(recorder)
    return ended
