"""The recorder kept in MLflow: one run, addressed by its id."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from wf_dagster.errors import BrokenObjectError, ObjectNotFoundError, TrackingError
from wf_dagster.tracking import objects
from wf_dagster.tracking.addresses import local_path, run_url
from wf_dagster.tracking.artifacts import Artifacts
from wf_dagster.tracking.buffer import Batch, LogBuffer
from wf_dagster.tracking.code_state import code_state, environment_tags
from wf_dagster.tracking.exits import WATCH, end_after, release_sigterm, uncaught
from wf_dagster.tracking.heartbeat import BEAT_SECONDS, HEARTBEAT_TAG, Heartbeat
from wf_dagster.tracking.keeper import KEEPER
from wf_dagster.tracking.recorder import Raw, Recorder
from wf_dagster.tracking.redact import redacted
from wf_dagster.tracking.retry import StoreError, ask
from wf_dagster.tracking.store import get_client
from wf_dagster.tracking.text import (
    PARAM_LIMIT,
    TAG_LIMIT,
    checked_name,
    cut,
    number,
    plain,
    position,
)

FAILURE_TAG = "wf_failure"
FLUSH_SECONDS = 3.0
FRESH_SECONDS = 1.0  # for which what was read of a recorder that has not ended is taken for true
_LIMITS = {"params": PARAM_LIMIT, "tags": TAG_LIMIT}
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
        self._take(run)
        self._reset()

    def _take(self, run: Any) -> None:
        self.name = run.info.run_name or ""
        self.experiment_id = run.info.experiment_id
        self.artifact_uri = run.info.artifact_uri
        self.start_time = _time(run.info.start_time)
        self.status = run.info.status
        # MLflow keeps the end of a run that was taken up again
        self.end_time = None if self.running else _time(run.info.end_time)
        self._take_data(run)

    def _take_data(self, run: Any) -> None:
        self._read_at = time.monotonic()
        self._held: dict[str, dict[str, Any]] | None = {
            "params": dict(run.data.params),
            "metrics": dict(run.data.metrics),
            "tags": dict(run.data.tags),
        }
        self._params = dict(run.data.params)  # they are written once

    def _reset(self) -> None:
        self.trusted = set()
        self._buffer = LogBuffer(self._write)
        self._whole: dict[str, dict[str, str]] = {"params": {}, "tags": {}}
        self._whole_unsaved = False
        self._complaints: list[str] = []
        self._shared = False
        self._beat = 0.0
        self._pid = 0
        self.thread = 0
        self.error_before: Any = None
        self.wanted_status: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        kept = ("uri", "id", "name", "experiment_id", "artifact_uri", "start_time", "end_time")
        return {name: self.__dict__[name] for name in (*kept, "status", "_held", "_params")}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
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
    def held_tags(self) -> dict[str, str]:
        """The tags as they were when it was found."""
        return dict((self._held or {}).get("tags", {}))

    @property
    def _live(self) -> bool:
        """Whether this object, in this process, is the one that was started."""
        return KEEPER.get(self.id) is self

    @property
    def _artifacts(self) -> Artifacts:
        return Artifacts(self.id, self.artifact_uri, self.uri)

    @property
    def url(self) -> str:
        """Link to the run's page."""
        return run_url(self.experiment_id, self.id, self.uri)

    # life

    def start_run(self) -> MLflowRecorder:
        """Start it, or go on with it; keeps the state of the code."""
        if self._live:
            return self
        tags = self.list_tags()
        self._shared = self.running and HEARTBEAT_TAG in tags
        # the tags first: a run that is RUNNING must not show the heartbeat of who had it before
        self.set_tags(**first_tags(self._shared))
        self._ask("starting a run", lambda c: c.update_run(self.id, status=self.STATUS_R))
        self.status, self.end_time = self.STATUS_R, None
        if FAILURE_TAG in tags:
            self.delete_tags(FAILURE_TAG)
        return self.go_live()

    def go_live(self) -> MLflowRecorder:
        """Take charge of a run that is RUNNING in the store."""
        self._pid = os.getpid()
        self.thread = threading.get_ident()
        self.error_before = uncaught()
        self.wanted_status = None
        self._beat = time.monotonic()
        KEEPER.add(self)
        WATCH.begin()
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
        self._ask("ending a run", lambda c: c.set_terminated(self.id, status))
        self.status, self.end_time = status, datetime.now(timezone.utc)
        KEEPER.remove(self)
        release_sigterm()
        if self._complaints:
            complaints, self._complaints = self._complaints, []
            raise TrackingError("; ".join(complaints))

    def keep(self) -> None:
        """What the keeper does every few seconds: heartbeat, and what has waited long enough.

        Raises:
            TrackingError: It could not be written; it is tried again, and the end reports it.
        """
        due = time.monotonic() - self._beat >= BEAT_SECONDS
        if due:
            self._beat = time.monotonic()
            self._buffer.add_tags({HEARTBEAT_TAG: str(Heartbeat.now(self._shared))})
        if due or self._buffer.age() >= FLUSH_SECONDS:
            self.flush_noting(patience=0)

    def disown(self) -> None:
        """In a forked child: what waits is the parent's to write."""
        self._reset()

    def flush(self) -> None:
        """Write the params, metrics and tags that are waiting.

        Raises:
            TrackingError: Some were not written.
        """
        if len(self._buffer):
            self._buffer.flush()

    def flush_noting(self, patience: float | None = None) -> None:
        """Write what is waiting; what the store refuses for good is told at the end.

        Raises:
            StoreError: The store failed.
        """
        try:
            self._buffer.flush(patience)
        except StoreError:
            raise
        except TrackingError as refused:
            self._complaints.append(str(refused))

    def _write(self, chunk: Batch, patience: float | None) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self._save_whole()
        params = [Param(k, v) for k, v in chunk.params.items()]
        tags = [RunTag(k, v) for k, v in chunk.tags.items()]
        metrics = [Metric(k, v, t, s) for k, v, t, s in chunk.metrics]

        def log(client: Any) -> None:
            if len(tags) == 1 and not params and not metrics:  # half of what a batch costs
                client.set_tag(self.id, tags[0].key, tags[0].value)
            else:
                client.log_batch(self.id, metrics=metrics, params=params, tags=tags)

        self._ask("logging", log, patience)
        self._held = None

    def _ask(self, what: str, call: Any, patience: float | None = None) -> Any:
        return ask(self.uri, what, lambda: call(get_client(self.uri)), patience=patience)

    # what is logged

    def log_params(self, **kwargs: Any) -> None:
        """Log parameters; one longer than MLflow takes is cut, and kept whole in a file.

        Raises:
            TrackingError: A name cannot be used, or the parameter has another value already.
        """
        texts = {checked_name("param", n): self._fit("params", n, v) for n, v in kwargs.items()}
        for name, text in texts.items():
            if self._params.get(name, text) != text:
                raise TrackingError(
                    f"param {name!r} of recorder {self.id} is {self._params[name][:80]!r} and "
                    f"cannot become {text[:80]!r}: params are written once, use set_tags for "
                    "what changes"
                )
        new = {n: t for n, t in texts.items() if n not in self._params}
        self._params.update(new)
        self._buffer.add_params(new)
        self._logged()

    def log_metrics(self, step: int | None = None, **kwargs: float) -> None:
        """Log metrics.

        Args:
            step: Position of the values in a series of them; default 0.
            **kwargs: Values by name.

        Raises:
            TrackingError: A name cannot be used, a value is no number, or the step no whole one.
        """
        place = 0 if step is None else position(step)
        values = {checked_name("metric", n): number(n, v) for n, v in kwargs.items()}
        self._buffer.add_metrics(values, place)
        self._logged()

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags, replacing earlier values.

        Raises:
            TrackingError: A name cannot be used.
        """
        texts = {checked_name("tag", n): self._fit("tags", n, v) for n, v in kwargs.items()}
        self._buffer.add_tags(texts)
        self._logged()

    def _logged(self) -> None:
        if not self._live:
            self.flush()

    def delete_tags(self, *keys: str) -> None:
        """Delete tags.

        Raises:
            TrackingError: There is none of that name.
        """
        self.flush()
        for key in keys:
            self._ask("deleting a tag", lambda c, key=key: c.delete_tag(self.id, key))
        self._held = None

    def _fit(self, kind: str, name: str, value: Any) -> str:
        text = plain(value)
        short = cut(text, _LIMITS[kind], f"{kind}_long.json")
        if short != text:
            self._whole[kind][name] = text
            self._whole_unsaved = True
        return short

    def _save_whole(self) -> None:
        if not self._whole_unsaved:
            return
        for kind, texts in self._whole.items():
            if texts:
                file = f"{kind}_long.json"
                kept = self._artifacts.first([file])
                before = json.loads(self._artifacts.read(file)) if kept else {}
                self._artifacts.write(file, json.dumps({**before, **texts}).encode())
        self._whole_unsaved = False

    def list_metrics(self) -> dict[str, float]:
        """The latest value of each metric."""
        return dict(self._data()["metrics"])

    def list_params(self) -> dict[str, str]:
        """The parameters; those that were cut are whole in ``params_long.json``."""
        return dict(self._data()["params"])

    def list_tags(self) -> dict[str, str]:
        """The tags."""
        return dict(self._data()["tags"])

    def reload(self) -> None:
        """Read the run again.

        One that had ended when it was found is not read again by itself: a listing of
        thousands is one request, not thousands. One that runs, or is yet to start, is, after a
        second.
        """
        self.flush()
        run = self._ask("reading a run", lambda c: c.get_run(self.id))
        if self._live:
            self._take_data(run)
        else:
            self._take(run)

    def _data(self) -> dict[str, dict[str, Any]]:
        ended = self.status not in (self.STATUS_S, self.STATUS_R)
        if self._held is None or self._live or (not ended and self._is_old()):
            self.reload()
        assert self._held is not None
        return self._held

    def _is_old(self) -> bool:
        """A listing of many that run is read once as well."""
        return time.monotonic() - self._read_at > FRESH_SECONDS

    # objects

    def save_objects(
        self, local_path: str | None = None, artifact_path: str | None = None, **kwargs: Any
    ) -> None:
        """Save objects by name, replacing those saved before.

        Args:
            local_path: A file or folder to copy instead of objects.
            artifact_path: Folder in the recorder.
            **kwargs: Objects by name, e.g. ``**{"pred.pkl": frame}``.

        Raises:
            TrackingError: Both a path and objects are given; a name leaves the recorder; an
                object cannot be pickled.
        """
        if local_path is not None:
            if kwargs:
                raise TrackingError(
                    f"save_objects got local_path={local_path!r} and objects "
                    f"({', '.join(kwargs)}): save one or the other"
                )
            self._artifacts.copy_in(Path(local_path), artifact_path)
        for name, value in kwargs.items():
            self._save(f"{artifact_path}/{name}" if artifact_path else name, value)

    def _save(self, path: str, value: Any) -> None:
        store = self._artifacts
        kept, content = objects.dump(path, value)
        store.write(kept, content)
        for other in objects.names_of(path):
            if other != kept and store.first([other]):
                store.remove(other)

    def load_object(self, name: str, allow: Sequence[str] = (), raw: Raw | None = None) -> Any:
        """An object that was saved, or a file as it is.

        Args:
            name: The name it was saved under.
            allow: Further modules, or dotted names, that a pickle may name.
            raw: ``"bytes"`` for the content of the file, ``"path"`` for a copy on this machine.

        Raises:
            ObjectNotFoundError: There is none of that name.
            UnsafeObjectError: It names something that may run code.
            BrokenObjectError: It is no object that was saved.
            TrackingError: ``raw`` is neither.
        """
        if raw not in (None, "bytes", "path"):
            raise TrackingError(f"raw {raw!r} is unknown: use 'bytes' or 'path'")
        names = objects.names_of(name)
        kept = self._artifacts.first(names[::-1] if raw else names) or name
        if raw is None:
            return self._loaded(kept, allow)
        return self._artifacts.read(kept) if raw == "bytes" else self.download_artifact(kept)

    def _loaded(self, kept: str, allow: Sequence[str]) -> Any:
        allowed = [*allow, *self.trusted]
        for pause in (0.2, 1.0):
            try:
                return objects.load(kept, self._artifacts.read(kept), allowed)
            except (BrokenObjectError, ObjectNotFoundError):
                if self._artifacts.is_local:
                    raise
                time.sleep(pause)  # a server may be in the middle of replacing it
        return objects.load(kept, self._artifacts.read(kept), allowed)

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of the files and folders of the recorder, or of one of its folders.

        Frames saved as ``pred.pkl`` are listed as the files they are, ``pred.parquet``.
        """
        return self._artifacts.list(artifact_path)

    def log_artifact(self, local_path: str, artifact_path: str | None = None) -> None:
        """Copy a file or folder into the recorder."""
        self.save_objects(local_path=local_path, artifact_path=artifact_path)

    def download_artifact(self, path: str, dst_path: str | None = None) -> str:
        """Copy a file or folder of the recorder; returns where it is.

        Args:
            path: Its name in the recorder.
            dst_path: Folder to copy it to; default a new one, or none if it is on this machine.

        Raises:
            ObjectNotFoundError: It is not there.
        """
        return self._artifacts.download(path, dst_path)

    def get_artifact_uri(self) -> str:
        """Where the files are."""
        return str(self.artifact_uri)

    def get_local_dir(self) -> str:
        """The folder of the recorder, if it is on this machine; its files are in ``artifacts``.

        Raises:
            ObjectNotFoundError: It is not.
        """
        folder = local_path(self.artifact_uri)
        if folder is None:
            raise ObjectNotFoundError(
                f"the files of recorder {self.id} are at {self.artifact_uri}, not on this "
                "machine: use download_artifact"
            )
        return str(folder.parent)


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
        **environment_tags(),
        HEARTBEAT_TAG: str(Heartbeat.now(shared)),
    }


def _time(milliseconds: int | None) -> datetime | None:
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
