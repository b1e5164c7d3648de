"""The params, metrics and tags of a recorder."""

from __future__ import annotations

import time
from typing import Any

from wf_dagster.errors import StoreError, TrackingError
from wf_dagster.tracking.heartbeat_thread import HEARTBEAT_THREAD
from wf_dagster.tracking.log_buffer import Batch, LogBuffer
from wf_dagster.tracking.mlflow_values import (
    PARAM_LIMIT,
    TAG_LIMIT,
    cut_text,
    split_by_name,
    to_number,
    to_step,
    to_text,
)
from wf_dagster.tracking.recorder_objects import RecorderObjects
from wf_dagster.tracking.run_kinds import KIND_TAG
from wf_dagster.tracking.store import call_store
from wf_dagster.tracking.value_files import ValueFiles

FRESH_SECONDS = 1.0  # for which what was read of a recorder that has not ended is taken for true
_LIMITS = {"params": PARAM_LIMIT, "tags": TAG_LIMIT}
_UNENDED = ("SCHEDULED", "RUNNING")


class RecorderValues(RecorderObjects):
    """Values by name, gathered while the recorder runs and written in batches.

    Before its start and after its end they are written at once.

    Attributes:
        status: That of the run.
    """

    status: str

    def _take_run(self, run: Any) -> None:
        """Take over what an MLflow run says."""
        self._take_values(run)

    def _take_values(self, run: Any) -> None:
        self._read_at = time.monotonic()
        self._held: dict[str, dict[str, Any]] | None = {
            "params": dict(run.data.params),
            "metrics": dict(run.data.metrics),
            "tags": dict(run.data.tags),
        }
        self._params = dict(run.data.params)  # they are written once
        self._tags = dict(run.data.tags)

    def _forget_waiting(self) -> None:
        """Begin with nothing that waits to be written."""
        self._tags = self.held_tags  # with what this process sets while it is live
        self._buffer = LogBuffer(self._write_batch)
        self._files = ValueFiles(self.id, lambda: self._artifacts)
        self._complaints: list[str] = []

    @property
    def _is_live(self) -> bool:
        """Whether this object, in this process, is the one that was started."""
        return HEARTBEAT_THREAD.get(self.id) is self

    @property
    def held_tags(self) -> dict[str, str]:
        """The tags as they were when it was found."""
        return dict((self._held or {}).get("tags", {}))

    # logging

    def log_params(self, **kwargs: Any) -> None:
        """Log parameters; one longer than MLflow takes is cut, and kept whole in a file.

        One whose name MLflow does not take is in that file, ``params_long.json``, alone; the log
        says so.

        Raises:
            TrackingError: The parameter has another value already.
        """
        named, unnamed = split_by_name({n: to_text(v) for n, v in kwargs.items()})
        short = {n: self._cut_text("params", t) for n, t in named.items()}
        in_files = self._files.read("params") if unnamed else {}
        for name, text in {**short, **unnamed}.items():
            before = self._params.get(name, in_files.get(name, text))
            if before != text:
                raise TrackingError(
                    f"param {name!r} of recorder {self.id} is {before[:80]!r} and "
                    f"cannot become {text[:80]!r}: params are written once, use set_tags for "
                    "what changes"
                )
        self._keep_in_file("params", named, short, unnamed)
        new = {n: t for n, t in short.items() if n not in self._params}
        self._params.update(new)
        self._buffer.add_params(new)
        self._flush_unless_live()

    def log_metrics(self, step: int | None = None, **kwargs: float) -> None:
        """Log metrics; those whose names MLflow does not take are kept in ``metrics_long.json``.

        Args:
            step: Position of the values in a series of them; default 0.
            **kwargs: Values by name.

        Raises:
            TrackingError: A value is no number, or the step no whole one.
        """
        position = 0 if step is None else to_step(step)
        named, unnamed = split_by_name({n: to_number(n, v) for n, v in kwargs.items()})
        self._files.keep_metrics(unnamed, position)
        self._files.warn_of_names("metrics", unnamed)
        self._buffer.add_metrics(named, position)
        self._flush_unless_live()

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags, replacing earlier values; as with params, a file keeps what MLflow does not."""
        named, unnamed = split_by_name({n: to_text(v) for n, v in kwargs.items()})
        short = {n: self._cut_text("tags", t) for n, t in named.items()}
        self._keep_in_file("tags", named, short, unnamed)
        self._buffer.add_tags(short)
        self._tags.update(short)
        self._flush_unless_live()

    def delete_tags(self, *keys: str) -> None:
        """Delete tags.

        Raises:
            TrackingError: There is none of that name.
        """
        self.flush()
        for key in keys:
            call_store(self.uri, "deleting a tag", lambda c, key=key: c.delete_tag(self.id, key))  # type: ignore[misc]
        self._held = None

    # reading

    def list_metrics(self) -> dict[str, float]:
        """The latest value of each metric."""
        return dict(self._values()["metrics"])

    def list_params(self) -> dict[str, str]:
        """The parameters; ``params_long.json`` holds whole what was cut, and what has odd names."""
        return dict(self._values()["params"])

    def list_tags(self) -> dict[str, str]:
        """The tags."""
        return dict(self._values()["tags"])

    def _known_tags(self) -> dict[str, str]:
        if self._is_live:
            return self._tags
        if KIND_TAG not in self.held_tags and self._is_old():
            self.reload()  # in a run of somebody else's, tags alone tell what was saved since
        return self.list_tags()

    def reload(self) -> None:
        """Read the run again.

        One that had ended when it was found is not read again by itself: a listing of
        thousands is one request, not thousands. One that runs, or is yet to start, is, after a
        second.
        """
        self.flush()
        run = call_store(self.uri, "reading a run", lambda client: client.get_run(self.id))
        if self._is_live:
            self._take_values(run)
        else:
            self._take_run(run)

    def _values(self) -> dict[str, dict[str, Any]]:
        if self._held is None or self._is_live or (self.status in _UNENDED and self._is_old()):
            self.reload()
        assert self._held is not None
        return self._held

    def _is_old(self) -> bool:
        """A listing of many that run is read once as well."""
        return time.monotonic() - self._read_at > FRESH_SECONDS

    # writing

    def flush(self) -> None:
        """Write the params, metrics and tags that are waiting.

        Raises:
            TrackingError: Some were not written.
        """
        self._files.save()
        if len(self._buffer):
            self._buffer.flush()

    def flush_noting(self, patience: float | None = None) -> None:
        """Write what is waiting; what the store refuses for good is told at the end.

        Args:
            patience: Seconds for which a failing store is asked again; default the setting
                ``tracking_patience``.

        Raises:
            StoreError: The store failed.
        """
        for write in (self._files.save, lambda: self._buffer.flush(patience)):
            try:
                write()
            except StoreError:
                raise
            except TrackingError as refused:
                if str(refused) not in self._complaints:
                    self._complaints.append(str(refused))

    def _flush_unless_live(self) -> None:
        if not self._is_live:
            self.flush()

    def _write_batch(self, batch: Batch, patience: float | None) -> None:
        from mlflow.entities import Metric, Param, RunTag  # slow to import

        params = [Param(k, v) for k, v in batch.params.items()]
        tags = [RunTag(k, v) for k, v in batch.tags.items()]
        metrics = [Metric(k, v, t, s) for k, v, t, s in batch.metrics]

        def log(client: Any) -> None:
            if len(tags) == 1 and not params and not metrics:  # half of what a batch costs
                client.set_tag(self.id, tags[0].key, tags[0].value)
            else:
                client.log_batch(self.id, metrics=metrics, params=params, tags=tags)

        call_store(self.uri, "logging", log, patience=patience)
        self._held = None

    def _cut_text(self, kind: str, text: str) -> str:
        return cut_text(text, _LIMITS[kind], f"{kind}_long.json")

    def _keep_in_file(
        self, kind: str, named: dict[str, str], short: dict[str, str], unnamed: dict[str, str]
    ) -> None:
        long = {name: text for name, text in named.items() if short[name] != text}
        self._files.keep(kind, {**long, **unnamed})
        self._files.warn_of_names(kind, unnamed)
