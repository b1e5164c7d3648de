"""What of params, tags and metrics does not fit on a run's page: files beside it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from wf_dagster.tracking.artifacts import Artifacts
from wf_dagster.tracking.mlflow_values import NAME_RULE

_log = logging.getLogger(__name__)


class ValueFiles:
    """Values by name in ``params_long.json``, ``tags_long.json`` and ``metrics_long.json``.

    There are texts longer than MLflow takes, whole, and whatever has a name that MLflow does not
    take: of a metric the list of its ``[step, value]``.

    Args:
        run_id: The run, for messages.
        open_artifacts: Gives the files of the run.
    """

    def __init__(self, run_id: str, open_artifacts: Callable[[], Artifacts]) -> None:
        self._run_id = run_id
        self._open = open_artifacts
        self._unsaved: dict[str, dict[str, Any]] = {}
        self._named: set[tuple[str, str]] = set()
        self._lock = threading.RLock()  # a heartbeat's thread saves while others log

    def keep(self, kind: str, values: Mapping[str, str]) -> None:
        """Keep texts, in the place of earlier ones.

        Args:
            kind: ``"params"`` or ``"tags"``.
            values: Texts by name.
        """
        with self._lock:
            if values:
                self._unsaved.setdefault(kind, {}).update(values)

    def keep_metrics(self, values: Mapping[str, float], step: int) -> None:
        """Keep metrics of one step."""
        with self._lock:
            metrics = self._unsaved.setdefault("metrics", {}) if values else {}
            for name, value in values.items():
                metrics.setdefault(name, []).append([step, value])

    def warn_of_names(self, kind: str, names: Mapping[str, Any]) -> None:
        """Say once which names are left out of the page."""
        new = [name for name in names if (kind, name) not in self._named]
        self._named.update((kind, name) for name in new)
        if new:
            _log.warning(
                "%s of recorder %s that MLflow does not take by their names are only in %s_long."
                "json, not on its page: %s (%s)",
                kind,
                self._run_id,
                kind,
                ", ".join(repr(name if len(name) <= 80 else f"{name[:80]}...") for name in new),
                NAME_RULE,
            )

    def read(self, kind: str) -> dict[str, Any]:
        """What is kept of a kind, what waits to be saved included."""
        file = f"{kind}_long.json"
        artifacts = self._open()
        with self._lock:
            saved = json.loads(artifacts.read(file)) if artifacts.first([file]) else {}
            for name, value in self._unsaved.get(kind, {}).items():
                is_series = kind == "metrics"
                saved[name] = [*saved.get(name, []), *value] if is_series else value
            return dict(saved)

    def save(self) -> None:
        """Write what was kept since the last time."""
        with self._lock:
            for kind in list(self._unsaved):
                content = json.dumps(self.read(kind)).encode()
                self._open().write(f"{kind}_long.json", content)
                del self._unsaved[kind]
