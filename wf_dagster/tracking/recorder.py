"""The recorder, as Qlib's users know it: one training, its numbers and its objects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from wf_dagster.tracking.recorder_values import RecorderValues

KIND_TAG = "wf_kind"
RUN_TAG = "dagster_run_id"  # of a parent run: the tag by which dagster-mlflow finds its run
PARENT_TAG = "mlflow.parentRunId"  # under which run the MLflow page shows a recorder
PARENT = "parent"  # the kind of run that recorders of a Dagster run are children of
RECORDER = "recorder"  # the kind of run that is a training


def is_parent(tags: Mapping[str, str]) -> bool:
    """Whether a run is the parent of a Dagster run's recorders, of this package or another's."""
    kind = tags.get(KIND_TAG)
    return kind == PARENT or (kind is None and RUN_TAG in tags)


def is_training(tags: Mapping[str, str]) -> bool:
    """Whether a run is a recorder, as Qlib knows them.

    Others are parents of runs, and what an experiment has one of: collected frames, signals, the
    ledger. A run that somebody else has logged is a recorder.
    """
    return tags.get(KIND_TAG, RECORDER) == RECORDER and not is_parent(tags)


class Recorder(RecorderValues):
    """One training of one task.

    Attributes:
        id: Identifies it; recorders with the same id are equal.
        name: Need not be unique.
        experiment_id: The experiment it belongs to.
        start_time: With time zone; ``None`` before the start.
        end_time: With time zone; ``None`` before the end.
        status: ``SCHEDULED`` before the start, ``RUNNING``, then ``FINISHED`` or ``FAILED``.
    """

    STATUS_S = "SCHEDULED"
    STATUS_R = "RUNNING"
    STATUS_FI = "FINISHED"
    STATUS_FA = "FAILED"

    name: str
    experiment_id: str
    start_time: datetime | None = None
    end_time: datetime | None = None
    status: str = STATUS_S

    @property
    def info(self) -> dict[str, Any]:
        """``id``, ``name``, ``experiment_id``, ``start_time``, ``end_time``, ``status``.

        Times are local, written like ``2020-01-31 18:00:00``.
        """
        return {
            "class": "Recorder",
            "id": self.id,
            "name": self.name,
            "experiment_id": self.experiment_id,
            "start_time": _local_time(self.start_time),
            "end_time": _local_time(self.end_time),
            "status": self.status,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, id={self.id!r}, status={self.status})"

    def __str__(self) -> str:
        return str(self.info)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recorder) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


def _local_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
