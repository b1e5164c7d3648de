"""The recorder: one training, one MLflow run, addressed by its id."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.tracking import objects
from wf_dagster.tracking.artifacts import Artifacts
from wf_dagster.tracking.code_state import code_state
from wf_dagster.tracking.store import get_client, local_path, plain, run_url, translated

PARAM_LIMIT = 6000
KIND_TAG = "wf_kind"
RECORDER = "recorder"
_CUT = "... (cut; whole in params_long.json)"


class Recorder:
    """What Qlib's users know of a recorder: statuses and ``info``."""

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
        """``id``, ``name``, ``experiment_id``, ``start_time``, ``end_time``, ``status``."""
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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recorder) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def list_metrics(self) -> dict[str, float]:
        """The latest value of each metric."""
        raise NotImplementedError  # abstract

    def list_params(self) -> dict[str, str]:
        """The parameters."""
        raise NotImplementedError  # abstract

    def list_tags(self) -> dict[str, str]:
        """The tags."""
        raise NotImplementedError  # abstract

    def load_object(self, name: str, allow: Sequence[str] = ()) -> Any:
        """An object that was saved."""
        raise NotImplementedError  # abstract

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of the files and folders of the recorder, or of one of its folders."""
        raise NotImplementedError  # abstract

    def save_objects(
        self, local_path: str | None = None, artifact_path: str | None = None, **kwargs: Any
    ) -> None:
        """Save objects by name."""
        raise NotImplementedError  # abstract

    def log_params(self, **kwargs: Any) -> None:
        """Log parameters."""
        raise NotImplementedError  # abstract

    def log_metrics(self, step: int | None = None, **kwargs: float) -> None:
        """Log metrics."""
        raise NotImplementedError  # abstract

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags."""
        raise NotImplementedError  # abstract


class MLflowRecorder(Recorder):
    """A recorder kept in MLflow.

    Params, metrics and tags are gathered and written in one batch: when the recorder ends, when
    they are read back, and by :meth:`flush`. Frames are kept as Parquet, other objects as
    pickles.

    Args:
        run: An MLflow run.
        uri: The tracking address it was found at.
    """

    def __init__(self, run: Any, uri: str) -> None:
        self.uri = uri
        # modules whose classes may be loaded, because whoever opened the recorder names them
        self.trusted: set[str] = set()
        self._take(run)
        self._waiting: dict[str, dict[str, Any]] = {"params": {}, "tags": {}}
        self._points: list[tuple[str, float, int, int]] = []
        self._long: dict[str, str] = {}

    def _take(self, run: Any) -> None:
        self.id = run.info.run_id
        self.name = run.info.run_name or ""
        self.experiment_id = run.info.experiment_id
        self.artifact_uri = run.info.artifact_uri
        self.start_time = _time(run.info.start_time)
        self.end_time = _time(run.info.end_time)
        self.status = run.info.status
        self._held: dict[str, dict[str, Any]] | None = {
            "params": dict(run.data.params),
            "metrics": dict(run.data.metrics),
            "tags": dict(run.data.tags),
        }

    @property
    def _client(self) -> Any:
        return get_client(self.uri)

    @property
    def _artifacts(self) -> Artifacts:
        return Artifacts(self._client, self.id, self.artifact_uri)

    @property
    def url(self) -> str:
        """Link to the run's page."""
        return run_url(self.experiment_id, self.id, self.uri)

    # life

    def start_run(self) -> None:
        """Set the run RUNNING and keep the state of the code."""
        with translated(self.uri, "starting a run"):
            self._client.update_run(self.id, status=self.STATUS_R)
        self.status = self.STATUS_R
        self.end_time = None
        state = code_state()
        self.set_tags(**state.tags)
        for name, text in state.files.items():
            self._artifacts.write(name, text.encode())

    def end_run(self, status: str = Recorder.STATUS_FI) -> None:
        """Write what is waiting and end the run with this status."""
        self.flush()
        with translated(self.uri, "ending a run"):
            self._client.set_terminated(self.id, status)
        self.status = status
        self.end_time = datetime.now(timezone.utc)

    def flush(self) -> None:
        """Write the params, metrics and tags that are waiting, in one batch."""
        if not (self._points or any(self._waiting.values())):
            return
        from mlflow.entities import Metric, Param, RunTag

        if self._long:
            self._artifacts.write("params_long.json", json.dumps(self._long).encode())
        params = [Param(k, v) for k, v in self._waiting["params"].items()]
        tags = [RunTag(k, plain(v)) for k, v in self._waiting["tags"].items()]
        metrics = [Metric(k, v, t, s) for k, v, t, s in self._points]
        with translated(self.uri, "logging"):
            while params or tags or metrics:  # the limits of one MLflow batch
                self._client.log_batch(
                    self.id, metrics=metrics[:800], params=params[:100], tags=tags[:100]
                )
                metrics, params, tags = metrics[800:], params[100:], tags[100:]
        self._waiting = {"params": {}, "tags": {}}
        self._points = []
        self._held = None

    # what is logged

    def log_params(self, **kwargs: Any) -> None:
        """Log parameters; one longer than MLflow takes is cut, and kept whole in a file."""
        for name, value in kwargs.items():
            text = plain(value)
            if len(text) > PARAM_LIMIT:
                self._long[name] = text
                text = text[: PARAM_LIMIT - len(_CUT)] + _CUT
            self._waiting["params"][name] = text

    def log_metrics(self, step: int | None = None, **kwargs: float) -> None:
        """Log metrics.

        Args:
            step: Position of the values in a series of them.
            **kwargs: Values by name.
        """
        now = int(time.time() * 1000)
        for name, value in kwargs.items():
            self._points.append((name, float(value), now, step or 0))

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags, replacing earlier values."""
        self._waiting["tags"].update(kwargs)

    def delete_tags(self, *keys: str) -> None:
        """Delete tags."""
        self.flush()
        with translated(self.uri, "deleting a tag"):
            for key in keys:
                self._client.delete_tag(self.id, key)
        self._held = None

    def list_metrics(self) -> dict[str, float]:
        """The latest value of each metric."""
        return dict(self._data()["metrics"])

    def list_params(self) -> dict[str, str]:
        """The parameters."""
        return dict(self._data()["params"])

    def list_tags(self) -> dict[str, str]:
        """The tags."""
        return dict(self._data()["tags"])

    def _data(self) -> dict[str, dict[str, Any]]:
        self.flush()
        if self._held is None:
            with translated(self.uri, "reading a run"):
                self._take(self._client.get_run(self.id))
        assert self._held is not None
        return self._held

    # objects

    def save_objects(
        self, local_path: str | None = None, artifact_path: str | None = None, **kwargs: Any
    ) -> None:
        """Save objects by name, replacing those saved before.

        Args:
            local_path: A file or folder to copy instead of objects.
            artifact_path: Folder in the recorder.
            **kwargs: Objects by name, e.g. ``**{"pred.pkl": frame}``.
        """
        if local_path is not None:
            with translated(self.uri, f"saving {local_path}"):
                log = self._client.log_artifacts
                if Path(local_path).is_file():
                    log = self._client.log_artifact
                log(self.id, str(local_path), artifact_path)
        store = self._artifacts
        for name, value in kwargs.items():
            path = f"{artifact_path}/{name}" if artifact_path else name
            kept, content = objects.dump(path, value)
            store.write(kept, content)
            for other in objects.names_of(path):
                if other != kept:
                    store.remove(other)

    def load_object(self, name: str, allow: Sequence[str] = ()) -> Any:
        """An object that was saved.

        Args:
            name: The name it was saved under.
            allow: Further modules whose classes may be loaded.

        Raises:
            ObjectNotFoundError: There is none of that name.
            UnsafeObjectError: It names something that may run code.
        """
        for kept in objects.names_of(name):
            try:
                content = self._artifacts.read(kept)
            except ObjectNotFoundError:
                continue
            return objects.load(kept, content, [*allow, *self.trusted])
        there = ", ".join(self.list_artifacts()) or "nothing"
        raise ObjectNotFoundError(
            f"recorder {self.name!r} ({self.id}) holds no {name!r}: it holds {there}"
        )

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of the files and folders of the recorder, or of one of its folders."""
        return self._artifacts.list(artifact_path)

    def log_artifact(self, local_path: str, artifact_path: str | None = None) -> None:
        """Copy a file into the recorder."""
        self.save_objects(local_path=local_path, artifact_path=artifact_path)

    def download_artifact(self, path: str, dst_path: str | None = None) -> str:
        """Copy a file or folder of the recorder; returns where it is."""
        with translated(self.uri, f"downloading {path}"):
            return str(self._client.download_artifacts(self.id, path, dst_path))

    def get_artifact_uri(self) -> str:
        """Where the files are."""
        return str(self.artifact_uri)

    def get_local_dir(self) -> str:
        """The folder of the files, if they are on this machine.

        Raises:
            ObjectNotFoundError: They are not.
        """
        folder = local_path(self.artifact_uri)
        if folder is None:
            raise ObjectNotFoundError(
                f"the files of recorder {self.id} are at {self.artifact_uri}, not on this "
                "machine: use download_artifact"
            )
        return str(folder)


def _time(milliseconds: int | None) -> datetime | None:
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
