"""One thread a process looks after the running recorders: it lets them beat, and flushes them."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from wf_dagster.errors import TrackingError
from wf_dagster.process import call_in_forked_children

if TYPE_CHECKING:
    from wf_dagster.tracking.mlflow_recorder import MLflowRecorder

_log = logging.getLogger(__name__)
TICK_SECONDS = 2.0


class HeartbeatThread:
    """The recorders that this process has running.

    Its thread starts with the first recorder and sleeps while there is none.
    """

    def __init__(self) -> None:
        self._running: dict[str, MLflowRecorder] = {}
        self._lock = threading.Lock()
        self._has_running = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, recorder: MLflowRecorder) -> None:
        """Look after a recorder."""
        with self._lock:
            self._running[recorder.id] = recorder
            self._has_running.set()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._beat_for_ever, name="wf-dagster-heartbeat", daemon=True
                )
                self._thread.start()

    def remove(self, recorder: MLflowRecorder) -> None:
        """Look after it no more."""
        with self._lock:
            self._running.pop(recorder.id, None)
            if not self._running:
                self._has_running.clear()

    def get(self, recorder_id: str) -> MLflowRecorder | None:
        """The recorder, if this process has it running."""
        return self._running.get(recorder_id)

    def running(self) -> list[MLflowRecorder]:
        """All of them, in the order in which they started."""
        with self._lock:
            return list(self._running.values())

    def flush(self, uri: str) -> None:
        """Write what waits for one store, so that a search there finds it."""
        for recorder in self.running():
            if recorder.uri == uri:
                recorder.flush_noting()

    def forget(self) -> None:
        """In a forked child: the recorders are the parent's, and the thread is not there."""
        for recorder in self._running.values():
            recorder.disown()
        self.__init__()  # type: ignore[misc]

    def _beat_for_ever(self) -> None:
        pause = threading.Event()
        while True:
            self._has_running.wait()
            pause.wait(TICK_SECONDS)
            for recorder in self.running():
                try:
                    recorder.beat()
                except TrackingError as error:  # kept and tried again; the end reports it
                    _log.warning("recorder %s: %s", recorder.id, error)
                except Exception:  # one recorder must not stop the heartbeat of the others
                    _log.exception("recorder %s could not be looked after", recorder.id)


HEARTBEAT_THREAD = HeartbeatThread()
call_in_forked_children(HEARTBEAT_THREAD.forget)
