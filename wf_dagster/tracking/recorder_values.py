"""The params, metrics and tags of a recorder."""

from __future__ import annotations

import json
import time
from typing import Any

from wf_dagster.errors import StoreError, TrackingError
from wf_dagster.tracking.heartbeat_thread import HEARTBEAT_THREAD
from wf_dagster.tracking.log_buffer import Batch, LogBuffer
from wf_dagster.tracking.mlflow_values import (
    PARAM_LIMIT,
    TAG_LIMIT,
    checked_name,
    cut_text,
    to_number,
    to_step,
    to_text,
)
from wf_dagster.tracking.recorder_objects import RecorderObjects
from wf_dagster.tracking.store import call_store

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

    def _forget_waiting(self) -> None:
        """Begin with nothing that waits to be written."""
        self._buffer = LogBuffer(self._write_batch)
        self._whole: dict[str, dict[str, str]] = {"params": {}, "tags": {}}
        self._whole_unsaved = False
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

        Raises:
            TrackingError: A name cannot be used, or the parameter has another value already.
        """
        texts = {
            checked_name("param", n): self._fit_text("params", n, v) for n, v in kwargs.items()
        }
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
        self._flush_unless_live()

    def log_metrics(self, step: int | None = None, **kwargs: float) -> None:
        """Log metrics.

        Args:
            step: Position of the values in a series of them; default 0.
            **kwargs: Values by name.

        Raises:
            TrackingError: A name cannot be used, a value is no number, or the step no whole one.
        """
        position = 0 if step is None else to_step(step)
        values = {checked_name("metric", n): to_number(n, v) for n, v in kwargs.items()}
        self._buffer.add_metrics(values, position)
        self._flush_unless_live()

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags, replacing earlier values.

        Raises:
            TrackingError: A name cannot be used.
        """
        texts = {checked_name("tag", n): self._fit_text("tags", n, v) for n, v in kwargs.items()}
        self._buffer.add_tags(texts)
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
        """The parameters; those that were cut are whole in ``params_long.json``."""
        return dict(self._values()["params"])

    def list_tags(self) -> dict[str, str]:
        """The tags."""
        return dict(self._values()["tags"])

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
        try:
            self._buffer.flush(patience)
        except StoreError:
            raise
        except TrackingError as refused:
            self._complaints.append(str(refused))

    def _flush_unless_live(self) -> None:
        if not self._is_live:
            self.flush()

    def _write_batch(self, batch: Batch, patience: float | None) -> None:
        from mlflow.entities import Metric, Param, RunTag  # slow to import

        self._save_whole_texts()
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

    def _fit_text(self, kind: str, name: str, value: Any) -> str:
        text = to_text(value)
        short = cut_text(text, _LIMITS[kind], f"{kind}_long.json")
        if short != text:
            self._whole[kind][name] = text
            self._whole_unsaved = True
        return short

    def _save_whole_texts(self) -> None:
        if not self._whole_unsaved:
            return
        for kind, texts in self._whole.items():
            if texts:
                file = f"{kind}_long.json"
                is_saved = self._artifacts.first([file]) is not None
                before = json.loads(self._artifacts.read(file)) if is_saved else {}
                self._artifacts.write(file, json.dumps({**before, **texts}).encode())
        self._whole_unsaved = False
