"""The recorder, as Qlib's users know it: one training, its numbers and its objects."""

from __future__ import annotations

from typing import Any

from wf_dagster.tracking.recorder_values import RecorderValues
from wf_dagster.tracking.run_times import RunTime


class Recorder(RecorderValues):
    """One training of one task.

    Attributes:
        id: Identifies it; recorders with the same id are equal.
        name: Need not be unique.
        experiment_id: The experiment it belongs to.
        start_time: With time zone, compares with text too; ``None`` before the start.
        end_time: As ``start_time``; ``None`` before the end.
        status: ``SCHEDULED`` before the start, ``RUNNING``, then ``FINISHED`` or ``FAILED``.
    """

    STATUS_S = "SCHEDULED"
    STATUS_R = "RUNNING"
    STATUS_FI = "FINISHED"
    STATUS_FA = "FAILED"

    name: str
    experiment_id: str
    start_time: RunTime | None = None
    end_time: RunTime | None = None
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
            "start_time": self.start_time and self.start_time.as_text(),
            "end_time": self.end_time and self.end_time.as_text(),
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
