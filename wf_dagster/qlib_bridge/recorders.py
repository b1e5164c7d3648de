"""Qlib's ``R`` over this project's: what a model of Qlib's logs goes to our active recorder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from qlib.utils.exceptions import LoadObjectError
from typing_extensions import Unpack

from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.own_names import own_name
from wf_dagster.process import attribute_replaced, nothing_to_undo, replace_attribute
from wf_dagster.tracking import R, RecorderOptions, StartOptions
from wf_dagster.tracking.active_starts import current_start

# Qlib's own, also while its modules give this project's classes
QlibRecorder: Any = own_name("qlib.workflow", "QlibRecorder")
RecorderWrapper: Any = own_name("qlib.workflow", "RecorderWrapper")
QLIB_R: Any = own_name("qlib.workflow", "R")
Experiment: Any = own_name("qlib.workflow.exp", "Experiment")
ExpManager: Any = own_name("qlib.workflow.expm", "ExpManager")
Recorder: Any = own_name("qlib.workflow.recorder", "Recorder")

MANAGER = {"class": "BridgeExpManager", "module_path": __name__, "kwargs": {}}


class BridgeWrapper(RecorderWrapper):  # type: ignore[misc]
    """Qlib's ``R`` while it leads here: what ``qlib.init`` registers is what it led to, or will."""

    _provider: Any

    def register(self, provider: Any) -> None:
        """Keep what a ``qlib.init`` registers, also inside a start of ours.

        Raises:
            RecorderInitializationError: A recorder of Qlib's own is active.
        """
        if isinstance(getattr(self._provider, "exp_manager", None), BridgeExpManager):
            self._provider = provider
        else:
            super().register(provider)

    def __getattr__(self, name: str) -> Any:
        if name == "_provider":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self._leads_to(), name)

    def _leads_to(self) -> Any:
        if _holders == {_USER_START} and current_start() is None and self._is_active_itself():
            return self._provider  # a recorder of Qlib's, in another thread than ours
        return _BRIDGE

    def _is_active_itself(self) -> bool:
        manager = getattr(self._provider, "exp_manager", None)
        return manager is not None and manager.active_experiment is not None


_INSTALLED, _USER_START = "installed", "start"
_holders: set[str] = set()  # who wants Qlib's R to lead here
_undo_bridge = nothing_to_undo
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
    _hold(_USER_START)
    return partial(_release, _USER_START)


def _hold(holder: str) -> None:
    global _undo_bridge
    with _lock:
        if not _holders:
            # its class, not what it holds: a qlib.init that comes meanwhile registers there
            _undo_bridge = replace_attribute(QLIB_R, "__class__", BridgeWrapper)
        _holders.add(holder)


def _release(holder: str) -> None:
    with _lock:
        _holders.discard(holder)
        if not _holders:
            _undo_bridge()


def may_be_registered() -> AbstractContextManager[None]:
    """Let ``qlib.init`` register a recorder inside the block: ours stay active meanwhile.

    Qlib refuses while one is active, because its own would then be stored elsewhere.
    """
    return attribute_replaced(QLIB_R, "_provider", None)


def bridged(recorder: Any) -> Any:
    """A recorder of ours as a record template of Qlib's takes it."""
    return recorder if isinstance(recorder, Recorder) else BridgeRecorder(recorder)


class BridgeRecorder(Recorder):  # type: ignore[misc]
    """One of our recorders with Qlib's base class, names of files and errors."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __repr__(self) -> str:
        return f"BridgeRecorder({self.inner!r})"

    def __eq__(self, other: object) -> bool:
        return bool(getattr(other, "id", None) == self.inner.id)

    def __hash__(self) -> int:
        return hash(self.inner)

    @property
    def info(self) -> dict[str, Any]:
        """Id, name, experiment, times and status."""
        return dict(self.inner.info)

    def load_object(self, name: str, unpickler: Any = None) -> Any:
        """An object by name; pickles are read by our own unpickler."""
        try:
            return self.inner.load_object(name)
        except ObjectNotFoundError as error:  # which is what Qlib's records expect
            raise LoadObjectError(str(error)) from error

    def list_artifacts(self, artifact_path: str | None = None) -> list[str]:
        """Names of the objects, files and folders."""
        listed: list[str] = self.inner.list_artifacts(artifact_path)
        return listed


def _delegate(name: str) -> Any:
    def method(self: BridgeRecorder, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.inner, name)(*args, **kwargs)

    method.__name__ = name
    return method


# the base class has them all, as methods that raise
for _name in (
    "delete_tags", "download_artifact", "end_run", "list_metrics", "list_params", "list_tags",
    "log_artifact", "log_metrics", "log_params", "save_objects", "set_recorder_name", "set_tags",
    "start_run",
):  # fmt: skip
    setattr(BridgeRecorder, _name, _delegate(_name))


class BridgeExperiment(Experiment):  # type: ignore[misc]
    """One of our experiments, whose recorders Qlib can use."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __repr__(self) -> str:
        return f"BridgeExperiment({self.inner!r})"

    @property
    def info(self) -> dict[str, Any]:
        """Id, name and recorders."""
        return dict(self.inner.info)

    def start(self, **options: Unpack[RecorderOptions]) -> BridgeRecorder:
        """Make a recorder of it active; the options are those of our experiment's ``start``."""
        R.start_exp(experiment_id=self.inner.id, **options)
        return BridgeRecorder(R.get_recorder())

    def end(self, recorder_status: str = Recorder.STATUS_S) -> None:
        """End the active recorder."""
        R.end_exp(recorder_status)

    def create_recorder(self, recorder_name: str | None = None) -> BridgeRecorder:
        """A new recorder."""
        return BridgeRecorder(self.inner.create_recorder(recorder_name))

    def get_recorder(
        self,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> BridgeRecorder:
        """A recorder by id or name, else the active one."""
        return BridgeRecorder(
            self.inner.get_recorder(recorder_id, recorder_name, create=create, start=start)
        )

    def list_recorders(self, rtype: str = Experiment.RT_D, **kwargs: Any) -> Any:
        """Its recorders, by id or as a list."""
        kwargs = {name: value for name, value in kwargs.items() if value is not None}
        listed = self.inner.list_recorders(**kwargs)
        bridges = {key: BridgeRecorder(recorder) for key, recorder in listed.items()}
        return bridges if rtype == self.RT_D else list(bridges.values())

    def delete_recorder(
        self, recorder_id: str | None = None, recorder_name: str | None = None
    ) -> None:
        """Delete a recorder."""
        self.inner.delete_recorder(recorder_id, recorder_name)

    def search_records(self, **kwargs: Any) -> Any:
        """Its recorders as a frame."""
        return self.inner.search_records(**kwargs)


class BridgeExpManager(ExpManager):  # type: ignore[misc]
    """Experiments as the settings of this project place them."""

    def __init__(self) -> None:
        pass  # the active experiment is ours to know, thread by thread

    def __repr__(self) -> str:
        return f"BridgeExpManager(uri={self.uri!r})"

    @property
    def active_experiment(self) -> BridgeExperiment | None:
        """The experiment of the recorder that is active here."""
        start = current_start()
        return None if start is None else BridgeExperiment(start.experiment)

    @property
    def default_uri(self) -> str:
        """The tracking address in use."""
        return R.get_uri()

    @default_uri.setter
    def default_uri(self, value: str) -> None:
        R.set_uri(value)

    @property
    def uri(self) -> str:
        """The tracking address in use."""
        return R.get_uri()

    def start_exp(self, **options: Unpack[StartOptions]) -> BridgeExperiment:
        """Make a recorder active; the options are those of our ``R.start``."""
        return BridgeExperiment(R.start_exp(**options))

    def end_exp(self, recorder_status: str = Recorder.STATUS_S, **kwargs: Any) -> None:
        """End the active recorder."""
        R.end_exp(recorder_status)

    def create_exp(self, experiment_name: str | None = None) -> BridgeExperiment:
        """An experiment, made when it is not there."""
        return self.get_exp(experiment_name=experiment_name)

    def get_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> BridgeExperiment:
        """An experiment by id or name, else the active one, else the default one."""
        experiment = R.get_exp(
            experiment_id=experiment_id, experiment_name=experiment_name, create=create, start=start
        )
        return BridgeExperiment(experiment)

    def list_experiments(self) -> dict[str, BridgeExperiment]:
        """All experiments by name."""
        return {name: BridgeExperiment(inner) for name, inner in R.list_experiments().items()}

    def delete_exp(
        self, experiment_id: str | None = None, experiment_name: str | None = None
    ) -> None:
        """Delete an experiment."""
        R.delete_exp(experiment_id, experiment_name)

    def search_records(self, experiment_ids: Any = None, **kwargs: Any) -> Any:
        """Recorders as a frame."""
        return R.search_records(experiment_ids, **kwargs)


_BRIDGE = QlibRecorder(BridgeExpManager())
