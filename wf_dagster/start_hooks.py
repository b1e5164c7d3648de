"""What ``tracking`` asks and tells of Qlib, though it must not know the bridge to it.

A model of Qlib's logs to Qlib's own ``R``, which only the bridge can lead to the recorder that is
active; and the bridge lies above ``tracking``. So its function is named here, and called once the
module is there that it is about: without Qlib nothing is imported.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from wf_dagster.imports.after_import import call_after_import
from wf_dagster.process import call_in_forked_children

# what the user's own qlib.init says of recorders: read once Qlib is imported
USERS_TRACKING = ("qlib.config", "wf_dagster.qlib_bridge.user_tracking:adopt_tracking")

# module: function, called when a recorder is active and the module imported; it gives its undoing
START_HOOKS = {"qlib.workflow": "wf_dagster.qlib_bridge.recorders:connect"}


def users_default_experiment() -> str | None:
    """The name of the default experiment that ``qlib.init`` was given.

    Where recorders go, as it said, is in the settings after that, unless these say otherwise.
    """
    module, path = USERS_TRACKING
    name: str | None = load_function(path)() if module in sys.modules else None
    return name


def load_function(path: str) -> Callable[[], Any]:
    """The function that ``"package.module:name"`` names."""
    place, _, name = path.partition(":")
    function: Callable[[], Any] = getattr(importlib.import_module(place), name)
    return function


class StartHooks:
    """Calls the hooks when the first recorder becomes active, undoes them after the last one.

    Args:
        hooks: Functions, as ``"package.module:function"``, by the module that they wait for.
    """

    def __init__(self, hooks: Mapping[str, str]) -> None:
        self._hooks = hooks
        self._active: set[str] = set()
        self._connected: ExitStack | None = None
        self._lock = threading.RLock()
        call_in_forked_children(self._forget)

    def begin(self, recorder_id: str) -> None:
        """A recorder is active."""
        with self._lock:
            self._active.add(recorder_id)
            if self._connected is None:
                self._connected = ExitStack()
                for module, path in self._hooks.items():
                    self._connect(self._connected, module, path)

    def end(self, recorder_id: str) -> None:
        """It is not any more; nothing happens if it never was."""
        with self._lock:
            self._active.discard(recorder_id)
            if not self._active and self._connected is not None:
                connected, self._connected = self._connected, None
                connected.close()

    def _connect(self, connected: ExitStack, module: str, path: str) -> None:
        # without the lock: who holds it may be waiting for the import that this is called by
        def call() -> None:
            undo: Callable[[], None] = load_function(path)()
            if self._connected is connected:
                connected.callback(undo)
            else:  # the last recorder ended meanwhile
                undo()

        connected.callback(call_after_import(module, call))

    def _forget(self) -> None:
        """In a forked child: the recorders are the parent's, and a thread may hold the lock."""
        self._lock = threading.RLock()
        self._active.clear()


HOOKS = StartHooks(START_HOOKS)
