"""Qlib in this process: initialised once, its recorder bridged to ours."""

from __future__ import annotations

import copy
import json
import logging
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wf_dagster.errors import SettingsError, TaskError
from wf_dagster.extras import pip_command
from wf_dagster.process import attribute_preserved
from wf_dagster.qlib_bridge.options import QlibOptions
from wf_dagster.qlib_engine.provider_files import check_folders, folders_of

EXTRA = f"install pyqlib with: {pip_command('qlib')}"
_LOCK = threading.RLock()
# what qlib.init is told to register where it is this project that calls it
_MANAGER = {"class": "MLflowExpManager", "module_path": "wf_dagster.tracking", "kwargs": {}}
# what is ours to say, and what holds objects of this process only
_NOT_ADOPTED = {"exp_manager", "logging_config", "logging_level", "provider_uri", "region"}


@dataclass
class _State:
    options: str | None = None  # those that Qlib was initialised with, as text
    provider: Any = None  # Qlib's provider_uri after that
    by_user: bool = False  # whether the user's own qlib.init was adopted


_state = _State()


def ensure(options: QlibOptions) -> None:
    """Initialise Qlib, unless it is so already, or the user's own ``qlib.init`` counts more.

    Raises:
        TaskError: pyqlib is not installed.
        SettingsError: The data are not there, or ``qlib.init`` refuses an argument.
    """
    with _LOCK:
        config = qlib_config()
        is_so = _is_registered(config) and options.as_text() == _state.options
        if not is_so and not _follows_user(config, options):
            _state.options, _state.by_user = None, False  # what fails leaves nothing to rely on
            try:
                _initialise(options)
            finally:
                _state.provider = copy.deepcopy(config["provider_uri"])
            _state.options = options.as_text()
        from wf_dagster.qlib_bridge.recorders import install  # slow to import

        install()


def adopt_user_init(options: QlibOptions) -> QlibOptions | None:
    """What the user's own ``qlib.init`` said, if it was called and counts more than ``options``.

    It does when it is newer, or when they do not say where the data are. From now on Qlib counts as
    initialised with what is returned: the caller makes it known to all who would ask for others.
    """
    if "qlib.config" not in sys.modules:
        return None
    with _LOCK:
        config = qlib_config()
        if not _follows_user(config, options):
            return None
        adopted = _options_in_force(config)
        _state.options, _state.by_user = adopted.as_text(), True
        _state.provider = copy.deepcopy(config["provider_uri"])
        return adopted


def provider_uri(options: QlibOptions) -> Any:
    """Where Qlib's data are, once it is initialised."""
    ensure(options)
    return qlib_config()["provider_uri"]


def initialised_by_user() -> bool:
    """Whether the user's own ``qlib.init`` is in force."""
    config = sys.modules["qlib.config"].C if "qlib.config" in sys.modules else None
    if config is None or not _is_registered(config):
        return False
    return _state.by_user or config["provider_uri"] != _state.provider


def qlib_config() -> Any:
    """Qlib's configuration.

    Raises:
        TaskError: pyqlib is not installed.
    """
    try:
        from qlib.config import C  # slow to import
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("qlib", ""):
            raise TaskError(f"pyqlib needs {error.name!r}, which is not installed") from error
        raise TaskError(f"the task names Qlib, which is not installed: {EXTRA}") from error
    return C


def _is_registered(config: Any) -> bool:
    return bool(config.get("_registered"))  # its own property fails after an init that failed


def _follows_user(config: Any, options: QlibOptions) -> bool:
    """Whether the user's own ``qlib.init`` counts: it is newer than the options, or alone."""
    if not _is_registered(config):
        return False
    if config["provider_uri"] != _state.provider:  # called since we looked last
        return not options.has_provider or options.as_text() == _state.options
    return _state.by_user and not options.has_provider


def _options_in_force(config: Any) -> QlibOptions:
    uri = config["provider_uri"]
    single = len(uri) == 1 if isinstance(uri, dict) else True
    arguments = {} if single else {"provider_uri": {f: str(path) for f, path in uri.items()}}
    for name, value in config.__dict__["_config"].items():
        default = config.__dict__["_default_config"].get(name)
        if name in _NOT_ADOPTED or value == default or not _is_plain(value):
            continue
        arguments[name] = value
    folder = str(next(iter(folders_of(uri).values())))
    return QlibOptions(folder, str(config.get("region") or ""), arguments)


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _initialise(options: QlibOptions) -> None:
    arguments: dict[str, Any] = {
        "logging_level": logging.WARNING,
        "kernels": 1,  # Qlib forks for more, and this process may have threads; workers do it
        **options.arguments,
        "exp_manager": _MANAGER,
    }
    if options.provider_uri:
        arguments.setdefault("provider_uri", options.provider_uri)
    if options.region:
        arguments.setdefault("region", options.region)
    if "provider_uri" in arguments:
        check_folders(arguments["provider_uri"])
    call_qlib_init(
        arguments,
        "qlib.init refuses the settings ({error}): check qlib_provider_uri, qlib_region and "
        "qlib_options (WF_QLIB_...)",
    )


def call_qlib_init(arguments: Mapping[str, Any], refusal: str) -> None:
    """Call ``qlib.init``, whatever is active, and leave ``sys.excepthook`` to others.

    Args:
        arguments: Its arguments.
        refusal: The message of its failure; ``{error}`` stands for what it raises.

    Raises:
        SettingsError: It refuses an argument.
    """
    # slow to import; the workflow before the module that is called once it is there, while a
    # recorder is active: that one could not be called while it is being imported itself
    import qlib
    import qlib.workflow

    from wf_dagster.qlib_bridge.recorders import may_be_registered

    try:
        # Qlib sets an excepthook of its own, which swallows those of others
        with attribute_preserved(sys, "excepthook"), may_be_registered():
            qlib.init(**arguments)
    except Exception as error:  # it checks little itself: whatever an argument breaks
        raise SettingsError(
            refusal.replace("{error}", f"{type(error).__name__}: {error}")
        ) from error
