"""Qlib in this process: initialised once, as the settings say, its recorder bridged to ours."""

from __future__ import annotations

import copy
import json
import logging
import sys
import threading
from dataclasses import dataclass
from typing import Any

from wf_dagster.errors import SettingsError, TaskError
from wf_dagster.process import attribute_preserved
from wf_dagster.qlib_engine.provider_files import check_folders, folders_of
from wf_dagster.settings import Settings, get_settings, restore, snapshot

EXTRA = "install pyqlib with: pip install 'wf-dagster[qlib]'"
_LOCK = threading.RLock()
# what is ours to say, and what holds objects of this process only
_NOT_ADOPTED = {"exp_manager", "logging_config", "logging_level", "provider_uri", "region"}


@dataclass
class _State:
    wanted: str | None = None  # the settings that Qlib was initialised with
    provider: Any = None  # Qlib's provider_uri after that
    by_user: bool = False  # whether the user's own qlib.init was taken over


_state = _State()


def ensure() -> None:
    """Initialise Qlib as the settings say, unless it is so already.

    What a ``qlib.init`` of the user's own said is taken over into the settings, so that worker
    processes say the same.

    Raises:
        TaskError: pyqlib is not installed.
        SettingsError: The data are not there, or ``qlib.init`` refuses an argument.
    """
    with _LOCK:
        config = qlib_config()
        settings = get_settings()
        if _follows_user(config, settings):
            _adopt(config)
        elif not _registered(config) or _wanted(settings) != _state.wanted:
            _state.wanted, _state.by_user = None, False  # what fails leaves nothing to rely on
            try:
                _initialise(settings)
            finally:
                _state.provider = copy.deepcopy(config["provider_uri"])
        _state.wanted = _wanted(get_settings())
        _state.provider = copy.deepcopy(config["provider_uri"])
        from wf_dagster.qlib_bridge.recorders import install

        install()


def provider_uri() -> Any:
    """Where Qlib's data are, once it is initialised."""
    ensure()
    return qlib_config()["provider_uri"]


def initialised_by_user() -> bool:
    """Whether the user's own ``qlib.init`` is in force."""
    config = sys.modules["qlib.config"].C if "qlib.config" in sys.modules else None
    if config is None or not _registered(config):
        return False
    return _state.by_user or config["provider_uri"] != _state.provider


def qlib_config() -> Any:
    """Qlib's configuration.

    Raises:
        TaskError: pyqlib is not installed.
    """
    try:
        from qlib.config import C
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("qlib", ""):
            raise TaskError(f"pyqlib needs {error.name!r}, which is not installed") from error
        raise TaskError(f"the task names Qlib, which is not installed: {EXTRA}") from error
    return C


def _registered(config: Any) -> bool:
    return bool(config.get("_registered"))  # its own property fails after an init that failed


def _follows_user(config: Any, settings: Settings) -> bool:
    """Whether the user's own ``qlib.init`` counts: it is newer than the settings, or alone."""
    if not _registered(config):
        return False
    named = settings.qlib_options.get("provider_uri") or settings.qlib_provider_uri
    if config["provider_uri"] != _state.provider:  # called since we looked last
        return not named or _wanted(settings) == _state.wanted
    return _state.by_user and not named


def _adopt(config: Any) -> None:
    uri = config["provider_uri"]
    single = len(uri) == 1 if isinstance(uri, dict) else True
    options = {} if single else {"provider_uri": {f: str(path) for f, path in uri.items()}}
    for name, value in config.__dict__["_config"].items():
        default = config.__dict__["_default_config"].get(name)
        if name in _NOT_ADOPTED or value == default or not _is_plain(value):
            continue
        options[name] = value
    restore(
        {
            **snapshot(),
            "qlib_provider_uri": str(next(iter(folders_of(uri).values()))),
            "qlib_region": str(config.get("region") or ""),
            "qlib_options": options,
        }
    )
    _state.by_user = True


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _wanted(settings: Settings) -> str:
    return json.dumps(
        [settings.qlib_provider_uri, settings.qlib_region, settings.qlib_options], sort_keys=True
    )


def _initialise(settings: Settings) -> None:
    import qlib  # slow to import

    from wf_dagster.qlib_bridge.recorders import MANAGER, may_be_registered

    options: dict[str, Any] = {
        "logging_level": logging.WARNING,
        "kernels": 1,  # Qlib forks for more, and this process may have threads; workers do it
        **settings.qlib_options,
        "exp_manager": MANAGER,
    }
    if settings.qlib_provider_uri:
        options.setdefault("provider_uri", settings.qlib_provider_uri)
    if settings.qlib_region:
        options.setdefault("region", settings.qlib_region)
    if "provider_uri" in options:
        check_folders(options["provider_uri"])
    try:
        # Qlib sets an excepthook of its own, which swallows those of others
        with attribute_preserved(sys, "excepthook"), may_be_registered():
            qlib.init(**options)
    except Exception as error:  # it checks little itself: whatever an argument breaks
        raise SettingsError(
            f"qlib.init refuses the settings ({type(error).__name__}: {error}): check "
            "qlib_provider_uri, qlib_region and qlib_options (WF_QLIB_...)"
        ) from error
