"""A process made ready for a workflow file, as Qlib's ``qrun`` does it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wf_dagster.errors import SettingsError, TaskError
from wf_dagster.qlib_bridge.session import call_qlib_init, qlib_config
from wf_dagster.qlib_bridge.workflow_file import list_module_folders
from wf_dagster.qlib_engine.provider_files import check_folders
from wf_dagster.settings import get_settings

SECTION = "qlib_init"
_log = logging.getLogger(__name__)


def prepare_process(config: Mapping[str, Any], file: Path) -> None:
    """Make a workflow's own modules importable, and call ``qlib.init`` with what it says.

    Data that the settings name (``WF_QLIB_PROVIDER_URI``) count more than those of the file.

    Args:
        config: What :func:`read_workflow` gave.
        file: The file that it is of.

    Raises:
        SettingsError: The data are not there, or ``qlib.init`` refuses an argument.
        TaskError: The section is no section, or pyqlib is not installed.
    """
    add_module_folders(config, file)
    options = config.get(SECTION)
    if options is None:  # a task of this project's own needs no Qlib
        return
    if not isinstance(options, Mapping):
        raise TaskError(f"{file}: {SECTION} is {options!r}: write the arguments of qlib.init")
    _check_data(options, file)
    qlib_config()  # or it says what is not installed
    call_qlib_init(options, f"{file}: qlib.init refuses what {SECTION} says ({{error}})")


def add_module_folders(config: Mapping[str, Any], file: Path) -> None:
    """Make the modules importable that a workflow's ``sys`` section names.

    Args:
        config: What :func:`read_workflow` gave.
        file: The file that it is of.
    """
    sys.path += [f for f in list_module_folders(config, file) if f not in sys.path]


def _check_data(options: Mapping[str, Any], file: Path) -> None:
    uri = options.get("provider_uri")
    chosen = get_settings().qlib_provider_uri
    if chosen:
        if uri is not None and str(uri) != chosen:
            _log.warning(
                "Qlib's data are those of the settings (WF_QLIB_PROVIDER_URI), %s, and not those "
                "that %s names, %s",
                *(chosen, file.name, uri),
            )
        return
    if uri is None:
        return
    try:
        check_folders(uri)
    except SettingsError as error:
        raise SettingsError(f"{file}: {SECTION}.provider_uri: {error}") from None
