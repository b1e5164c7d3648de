"""What is logged waits here and is written in batches, in the order in which it was logged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from wf_dagster.errors import StoreError, TrackingError

# The limits of one MLflow batch; its size counts as JSON, of at most a million bytes.
MOST_METRICS = 800
MOST_NAMED = 100
MOST_BYTES = 800_000


@dataclass
class Batch:
    """Params and tags by name; metrics as (name, value, milliseconds since 1970, step)."""

    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.params or self.tags or self.metrics)

    def chunks(self) -> Iterator[Batch]:
        """Parts that MLflow takes in one request."""
        chunk, size = Batch(), 0
        for kind in ("params", "tags"):
            for name, value in getattr(self, kind).items():
                size += len(json.dumps([name, value])) + 40
                if len(getattr(chunk, kind)) >= MOST_NAMED or size > MOST_BYTES:
                    yield chunk
                    chunk, size = Batch(), len(json.dumps([name, value]))
                getattr(chunk, kind)[name] = value
        for start in range(0, len(self.metrics), MOST_METRICS):
            part = self.metrics[start : start + MOST_METRICS]
            if size + 150 * len(part) > MOST_BYTES and chunk:
                yield chunk
                chunk, size = Batch(), 0
            chunk.metrics = part
            yield chunk
            chunk, size = Batch(), 0
        if chunk:
            yield chunk

    def singles(self) -> Iterator[Batch]:
        """Parts that fail alone: the metrics, the tags, and each param."""
        yield Batch(metrics=self.metrics)
        yield Batch(tags=self.tags)
        yield from (Batch(params={name: value}) for name, value in self.params.items())


class LogBuffer:
    """Params, tags and metrics of one run on their way to the store.

    Args:
        write: Writes one chunk, or raises :class:`StoreError`; its second argument are the
            seconds of patience, ``None`` for the setting.
    """

    def __init__(self, write: Callable[[Batch, float | None], None]) -> None:
        self._write = write
        self._waiting = Batch()
        self._since: float | None = None
        self._adding = threading.Lock()
        self._writing = threading.Lock()  # held while the store works; adding goes on
        self._last_time = 0
        self._refused: list[str] = []

    def __len__(self) -> int:
        with self._adding:
            waiting = self._waiting
            return len(waiting.params) + len(waiting.tags) + len(waiting.metrics)

    def age(self) -> float:
        """Seconds for which the oldest entry has waited."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def add_params(self, params: dict[str, str]) -> None:
        """Take params."""
        with self._adding:
            self._waiting.params.update(params)
            self._note_waiting()

    def add_tags(self, tags: dict[str, str]) -> None:
        """Take tags; the last value of a name counts."""
        with self._adding:
            self._waiting.tags.update(tags)
            self._note_waiting()

    def add_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Take metrics of one step."""
        with self._adding:
            # MLflow orders points of a step by time, then by size: no two share a millisecond.
            self._last_time = max(time.time_ns() // 1_000_000, self._last_time + 1)
            self._waiting.metrics += [(n, v, self._last_time, step) for n, v in metrics.items()]
            self._note_waiting()

    def _note_waiting(self) -> None:
        if self._since is None:
            self._since = time.monotonic()

    def flush(self, patience: float | None = None) -> None:
        """Write what waits.

        Args:
            patience: Seconds for which a failing store is asked again; default the setting.

        Raises:
            StoreError: The store failed; what it did not take still waits, in order.
            TrackingError: The store refused some entries for good; all others are written.
        """
        with self._writing:
            with self._adding:
                batch, self._waiting, self._since = self._waiting, Batch(), None
            chunks = list(batch.chunks())
            for position, chunk in enumerate(chunks):
                try:
                    self._write_chunk(chunk, patience)
                except StoreError:
                    self._put_back(chunks[position:])
                    raise
            if self._refused:
                refused, self._refused = self._refused, []
                raise TrackingError("; ".join(refused))

    def _write_chunk(self, chunk: Batch, patience: float | None) -> None:
        try:
            self._write(chunk, patience)
        except StoreError as error:
            if error.passes:
                raise
            # one wrong entry must not take the others along
            for part in filter(None, chunk.singles()):
                self._put_part(part, patience)

    def _put_part(self, part: Batch, patience: float | None) -> None:
        try:
            self._write(part, patience)
        except StoreError as error:
            if error.passes:
                raise
            names = sorted({*part.params, *part.tags, *(m[0] for m in part.metrics)})
            self._refused.append(f"{', '.join(names)} not logged: {error}")

    def _put_back(self, chunks: list[Batch]) -> None:
        with self._adding:
            late = self._waiting
            self._waiting = Batch()
            for batch in (*chunks, late):
                self._waiting.params.update(batch.params)
                self._waiting.tags.update(batch.tags)
                self._waiting.metrics += batch.metrics
            self._note_waiting()
