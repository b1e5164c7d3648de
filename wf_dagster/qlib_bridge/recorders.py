"""Qlib's ``R`` over this project's: what a model of Qlib's logs goes to our active recorder."""

from __future__ import annotations

import atexit
import importlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any

from wf_dagster.imports.own_names import own_name
from wf_dagster.process import attribute_replaced, call_in_forked_children, replace_attribute
from wf_dagster.tracking import MLflowExpManager, R, end_open_recorders
from wf_dagster.tracking.active_starts import current_start

# Qlib's own, also while its modules give this project's classes
RecorderWrapper: Any = own_name("qlib.workflow", "RecorderWrapper")
QLIB_R: Any = own_name("qlib.workflow", "R")

_UTILS, _EXIT_HANDLER = importlib.import_module("qlib.workflow.utils"), "experiment_exit_handler"
_handle_exit: Any = own_name(_UTILS.__name__, _EXIT_HANDLER)


class BridgeWrapper(RecorderWrapper):  # type: ignore[misc]
    """Qlib's ``R`` while it leads here: what ``qlib.init`` registers is what it led to, or will."""

    _provider: Any

    def register(self, provider: Any) -> None:
        """Keep what a ``qlib.init`` registers, also inside a start of ours.

        Raises:
            RecorderInitializationError: A recorder of Qlib's own is active.
        """
        if isinstance(getattr(self._provider, "exp_manager", None), MLflowExpManager):
            self._provider = provider
        else:
            super().register(provider)

    def __getattr__(self, name: str) -> Any:
        if name == "_provider":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self._leads_to(), name)

    def _leads_to(self) -> Any:
        if _holders == {_START} and current_start() is None and self._has_own_active():
            return self._provider  # a recorder of Qlib's, in another thread than ours
        return R

    def _has_own_active(self) -> bool:
        manager = getattr(self._provider, "exp_manager", None)
        return manager is not None and manager.active_experiment is not None


_INSTALLED, _START = "installed", "start"
_holders: set[str] = set()  # who wants Qlib's R to lead here
_bridge = ExitStack()
_lock = threading.Lock()


def install() -> None:
    """Have Qlib's ``R`` lead here, whatever it led to, until :func:`uninstall`.

    ``R.register`` is how Qlib would have it, but refuses while a recorder of Qlib's is active:
    what a model of Qlib's logs would then go where nobody looks for it.
    """
    _hold(_INSTALLED)


def uninstall() -> None:
    """Have Qlib's ``R`` lead where it led before :func:`install`."""
    _release(_INSTALLED)


def connect() -> Callable[[], None]:
    """Have Qlib's ``R`` lead here while a recorder of ours is active.

    Returns:
        What undoes it; where it is installed, it stays.
    """
    _hold(_START)
    return partial(_release, _START)


def _hold(holder: str) -> None:
    with _lock:
        if not _holders:
            # its class, not what it holds: a qlib.init that comes meanwhile registers there
            _bridge.callback(replace_attribute(QLIB_R, "__class__", BridgeWrapper))
            if getattr(_UTILS, _EXIT_HANDLER) is _handle_exit:
                _bridge.callback(replace_attribute(_UTILS, _EXIT_HANDLER, _handle_exit_after_ours))
        _holders.add(holder)


def _release(holder: str) -> None:
    with _lock:
        _holders.discard(holder)
        if not _holders:
            _bridge.close()


def _handle_exit_after_ours() -> None:
    """Stands for Qlib's ``experiment_exit_handler``, which a ``qlib.init`` calls.

    At the end of the process that one ends the recorder that ``R`` leads to as FINISHED, with
    whatever code the process ends; this project's are to be ended before, as they deserve.
    """
    _handle_exit()
    atexit.unregister(end_open_recorders)
    atexit.register(end_open_recorders)  # the last that is registered is the first that is called


def _forget_lock() -> None:
    """In a forked child: a thread that it does not have may hold it."""
    global _lock
    _lock = threading.Lock()


call_in_forked_children(_forget_lock)


def may_be_registered() -> AbstractContextManager[None]:
    """Let ``qlib.init`` register a recorder inside the block: ours stay active meanwhile.

    Qlib refuses while one is active, because its own would then be stored elsewhere.
    """
    return attribute_replaced(QLIB_R, "_provider", None)
