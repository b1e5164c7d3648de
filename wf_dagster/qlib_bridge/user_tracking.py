"""Where the user's own ``qlib.init(exp_manager=...)`` says that recorders go."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from wf_dagster.log_once import warn_once
from wf_dagster.settings import get_settings, update_settings

_log = logging.getLogger(__name__)
_adopted = ""  # the address that the settings have from here


def adopt_tracking() -> str | None:
    """Take over into the settings what the user's ``qlib.init`` says, unless they say otherwise.

    Settings go to worker processes, which call ``qlib.init`` in this project's way. What Qlib has
    by default is said by nobody.

    Returns:
        The name of the default experiment, if the user gave one.
    """
    global _adopted
    manager = _manager_of_user()
    if manager is None:  # this project has initialised it
        return None
    arguments = manager.get("kwargs") or {}
    uri, setting = str(arguments.get("uri") or ""), get_settings().tracking_uri
    if setting and setting != _adopted:
        if uri and uri != setting:
            warn_once(
                _log,
                f"qlib.init(exp_manager=...) says that recorders go to {uri}, WF_TRACKING_URI or "
                f"wf_dagster.init(tracking_uri=...) says {setting}: the latter counts",
            )
    elif (uri or setting) and not _is_recording():
        settings = update_settings(tracking_uri=uri)
        if settings.tracking_uri != _adopted:
            _log.info("recorders go to %s, as qlib.init says", settings.resolved_tracking_uri())
        _adopted = settings.tracking_uri
    return arguments.get("default_exp_name")


def _manager_of_user() -> Mapping[str, Any] | None:
    """What the user said of it, empty if nothing; ``None`` where Qlib has it from this project."""
    if "qlib.config" not in sys.modules:
        return {}
    config = sys.modules["qlib.config"].C
    manager: Mapping[str, Any] = config.get("exp_manager") or {}
    if str(manager.get("module_path", "")).startswith("wf_dagster."):
        return None
    if manager != config.__dict__["_default_config"].get("exp_manager"):
        return manager
    variables = sys.modules["qlib.config"].QSETTINGS.mlflow  # QLIB_MLFLOW_URI
    return {"kwargs": {name: getattr(variables, name) for name in variables.model_fields_set}}


def _is_recording() -> bool:
    from wf_dagster.tracking.active_starts import current_start  # slow to import, and there then

    return current_start() is not None  # what belongs together is not torn apart
