"""A workflow file of Qlib's as a module of this project's that Dagster loads."""

from __future__ import annotations

import keyword
import pprint
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.qlib_bridge.workflow_file import read_workflow
from wf_dagster.rolling import RollingGen
from wf_dagster.tasks import record_config, validate_task
from wf_dagster.tasks.label_expressions import read_label_expressions

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_AHEAD = re.compile(r"Ref\([^()]*(?:\([^()]*\)[^()]*)*,\s*-\s*(\d+)\s*\)")
_IGNORED = {
    "exp_manager": "recorders go where WF_TRACKING_URI says",
    "mongo": "tasks go where WF_TASK_STORE says",
}


@dataclass(frozen=True)
class StrategyModule:
    """The text of a module, and what its reader should know.

    Attributes:
        text: The Python module.
        notes: One line for each thing that is not as in the workflow file.
    """

    text: str
    notes: list[str]


def write_strategy_module(
    path: Path, name: str, step: int | str, rtype: str, trunc_days: int | None = None
) -> StrategyModule:
    """Turn a workflow file into a module with a strategy's assets.

    Args:
        path: The YAML file.
        name: Name of the strategy.
        step: Sessions a roll, or a period.
        rtype: ``"sliding"`` or ``"expanding"``.
        trunc_days: Sessions between train and test; default as far as the label looks ahead.

    Raises:
        TaskError: The file, or an argument, cannot be used.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise TaskError(f"name {name!r}: use letters, digits and _, such as csi300_lightgbm")
    config = read_workflow(path)
    task = _read_task(config["task"])
    validate_task(task)
    notes: list[str] = []
    if trunc_days is None:
        trunc_days = _read_label_reach(task)
        if trunc_days is None:
            notes.append(
                "how far the label looks ahead is not known: with trunc_days, train would end "
                "before labels reach into the test segment"
            )
    RollingGen(step, rtype, trunc_days=trunc_days)  # refuses what has no meaning
    init = _write_init(config.get("qlib_init") or {}, notes)
    paths = _write_paths(config.get("sys") or {}, path)
    modules = [("os", "os.environ" in "".join(init.values())), ("sys", bool(paths))]
    text = _MODULE.format(
        imports="".join(f"import {module}\n" for module, is_used in modules if is_used),
        name=name,
        file=path.name,
        paths=paths,
        init="".join(f"    {key}={value},\n" for key, value in init.items()),
        template=pprint.pformat(task, width=96, sort_dicts=False),
        generator=f"RollingGen(step={step!r}, rtype={rtype!r}, trunc_days={trunc_days!r})",
        experiment=str(config.get("experiment_name") or name),
    )
    return StrategyModule(text, notes)


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


def _write_init(section: Mapping[str, Any], notes: list[str]) -> dict[str, str]:
    """The arguments of ``wf_dagster.init``; a variable of the environment wins over the file."""
    options = dict(_to_plain(section))
    for key in sorted(set(options) & set(_IGNORED)):
        notes.append(f"qlib_init.{key} is ignored: {_IGNORED[key]}")
        del options[key]
    arguments = {}
    for key in ("provider_uri", "region"):
        value = options.get(key)
        if isinstance(value, str):
            setting = f"qlib_{key}"
            default = _make_absolute(value) if key == "provider_uri" else value
            arguments[setting] = f'os.environ.get("WF_{setting.upper()}") or {default!r}'
            del options[key]
    if options:
        arguments["qlib_options"] = repr(options)
    return arguments


def _make_absolute(uri: str) -> str:
    """A folder as ``qrun`` would find it from here; ``~`` and other machines stay."""
    elsewhere = uri.startswith("~") or re.match(r"^[^/\\]{2,}:.+", uri)
    return uri if elsewhere else str(Path(uri).absolute())


def _write_paths(section: Mapping[str, Any], file: Path) -> str:
    def read_list(key: str) -> list[str]:
        value = section.get(key) or []
        return [value] if isinstance(value, str) else list(value)

    here = file.absolute().parent
    paths = [*read_list("path"), *(str((here / path).resolve()) for path in read_list("rel_path"))]
    return f"sys.path += {paths!r}\n\n" if paths else ""


def _read_label_reach(task: Mapping[str, Any]) -> int | None:
    """Sessions that the label looks ahead, by the ``Ref(..., -n)`` in it."""
    labels = read_label_expressions(task["dataset"])
    reaches = [int(sessions) for label in labels for sessions in _AHEAD.findall(label)]
    return max(reaches, default=None)


_MODULE = '''"""The strategy {name}, from Qlib's workflow file {file}."""

{imports}
import dagster as dg

import wf_dagster
from wf_dagster import RollingGen, build_rolling_assets
from wf_dagster.orchestration import TrackingResource

{paths}wf_dagster.init(
{init})

template = {template}

generator = {generator}

defs = dg.Definitions(
    assets=build_rolling_assets(
        {name!r}, template, generator, experiment_name={experiment!r}
    ),
    resources={{"tracking": TrackingResource()}},
)
'''
