"""What a workflow file of Qlib's says: its task, its data, and what is not as in the file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from wf_dagster.errors import SettingsError
from wf_dagster.qlib_bridge.workflow_file import list_module_folders, read_workflow
from wf_dagster.settings import get_settings, update_settings
from wf_dagster.tasks import record_config, validate_task
from wf_dagster.tasks.label_expressions import read_label_reach

_IGNORED = {
    "exp_manager": "recorders go where WF_TRACKING_URI says",
    "mongo": "tasks go where WF_TASK_STORE says",
}
BY_VARIABLE = ("qlib_provider_uri", "qlib_region")  # a variable WF_... wins over the file


@dataclass(frozen=True)
class Workflow:
    """A workflow file.

    Attributes:
        task: Its task: plain values, dates as ISO dates.
        experiment_name: Its MLflow experiment; ``None`` where it names none.
        label_reach: Sessions that the label looks ahead, by the ``Ref(..., -n)`` in it; ``None``
            where that is not known.
        settings: What it says for :func:`wf_dagster.init`: Qlib's data.
        paths: Folders of its own modules, for ``sys.path``.
        notes: One line for each thing that is not as in the file.
    """

    task: dict[str, Any]
    experiment_name: str | None
    label_reach: int | None
    settings: dict[str, Any]
    paths: list[str]
    notes: list[str]

    def apply_settings(self) -> None:
        """Make its Qlib data those of this process, and its modules importable.

        Raises:
            SettingsError: This process has other Qlib data already.
        """
        sys.path += [path for path in self.paths if path not in sys.path]
        settings = get_settings()
        new = {}
        for name, value in self.settings.items():
            if name in BY_VARIABLE and os.environ.get(f"WF_{name.upper()}"):
                continue
            present = getattr(settings, name)
            if present and present != value:
                raise SettingsError(
                    f"the workflow file has {name}={value!r}, and this process has {present!r}: "
                    "strategies of one code location share Qlib's data; give the others a code "
                    f"location of their own, or set WF_{name.upper()} for all of them"
                )
            new[name] = value
        if new:
            update_settings(**new)


def read_workflow_task(path: Path) -> Workflow:
    """Read a workflow file of ``qrun``.

    Raises:
        TaskError: The file cannot be read, or its task is malformed; pyqlib is not installed.
    """
    config = read_workflow(path)
    task = _read_task(config["task"])
    validate_task(task)
    notes: list[str] = []
    experiment = config.get("experiment_name")
    return Workflow(
        task=task,
        experiment_name=str(experiment) if experiment else None,
        label_reach=read_label_reach(task["dataset"]),
        settings=_read_settings(config.get("qlib_init") or {}, notes),
        paths=list_module_folders(config, path),
        notes=notes,
    )


def _read_task(section: Mapping[str, Any]) -> dict[str, Any]:
    task: dict[str, Any] = _to_plain(section)
    records = task.get("record") or []
    records = records if isinstance(records, list) else [records]
    task["record"] = [record_config(record, task) for record in records]
    return task


def _to_plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _to_plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def _read_settings(section: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    options = dict(_to_plain(section))
    for key in sorted(set(options) & set(_IGNORED)):
        notes.append(f"qlib_init.{key} is ignored: {_IGNORED[key]}")
        del options[key]
    settings: dict[str, Any] = {}
    for key in ("provider_uri", "region"):
        value = options.get(key)
        if isinstance(value, str):
            settings[f"qlib_{key}"] = _make_absolute(value) if key == "provider_uri" else value
            del options[key]
    return {**settings, "qlib_options": options} if options else settings


def _make_absolute(uri: str) -> str:
    """A folder as ``qrun`` would find it from here; ``~`` and other machines stay."""
    elsewhere = uri.startswith("~") or re.match(r"^[^/\\]{2,}:.+", uri)
    return uri if elsewhere else str(Path(uri).absolute())
