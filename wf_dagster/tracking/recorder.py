"""The recorder, as Qlib's users know it: one training, its numbers and its objects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

Raw = Literal["bytes", "path"]
KIND_TAG = "wf_kind"
PARENT_TAG = "mlflow.parentRunId"  # under which run the MLflow page shows a recorder
RECORDER = "recorder"  # the kind of run that is a training


class Recorder:
    """One training of one task.

    Attributes:
        id: Identifies it; recorders with the same id are equal.
        name: Need not be unique.
        experiment_id: The experiment it belongs to.
        start_time: With time zone; ``None`` before the start.
        end_time: With time zone; ``None`` before the end.
        status: ``SCHEDULED`` before the start, ``RUNNING``, then ``FINISHED`` or ``FAILED``.
        trusted: Modules whose classes may be loaded: whoever opened the recorder names them.
    """

    STATUS_S = "SCHEDULED"
    STATUS_R = "RUNNING"
    STATUS_FI = "FINISHED"
    STATUS_FA = "FAILED"

    id: str
    name: str
    experiment_id: str
    start_time: datetime | None = None
    end_time: datetime | None = None
    status: str = STATUS_S
    trusted: set[str]

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
            "start_time": _shown(self.start_time),
            "end_time": _shown(self.end_time),
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

    def start_run(self) -> Any:
        """Start, or go on."""
        raise NotImplementedError  # abstract

    def end_run(self, status: str = STATUS_FI) -> None:
        """End with this status."""
        raise NotImplementedError  # abstract

    def save_objects(
        self, local_path: str | None = None, artifact_path: str | None = None, **kwargs: Any
    ) -> None:
        """Save objects by name."""
        raise NotImplementedError  # abstract

    def load_object(self, name: str, allow: Sequence[str] = (), raw: Raw | None = None) -> Any:
        """An object that was saved."""
        raise NotImplementedError  # abstract

    def log_params(self, **kwargs: Any) -> None:
        """Log parameters."""
        raise NotImplementedError  # abstract

    def log_metrics(self, step: int | None = None, **kwargs: float) -> None:
        """Log metrics."""
        raise NotImplementedError  # abstract

    def log_artifact(self, local_path: str, artifact_path: str | None = None) -> None:
        """Copy a file into the recorder."""
        raise NotImplementedError  # abstract

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags."""
        raise NotImplementedError  # abstract

    def delete_tags(self, *keys: str) -> None:
        """Delete tags."""
        raise NotImplementedError  # abstract

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of the files and folders of the recorder, or of one of its folders."""
        raise NotImplementedError  # abstract

    def download_artifact(self, path: str, dst_path: str | None = None) -> str:
        """Copy a file or folder of the recorder; returns where it is."""
        raise NotImplementedError  # abstract

    def list_metrics(self) -> dict[str, float]:
        """The latest value of each metric."""
        raise NotImplementedError  # abstract

    def list_params(self) -> dict[str, str]:
        """The parameters."""
        raise NotImplementedError  # abstract

    def list_tags(self) -> dict[str, str]:
        """The tags."""
        raise NotImplementedError  # abstract


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
