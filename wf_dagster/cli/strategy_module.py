"""A workflow file of Qlib's as a module of this project's that Dagster loads."""

from __future__ import annotations

import keyword
import pprint
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.qlib_bridge.workflow_rolls import WorkflowRolls, roll_workflow
from wf_dagster.qlib_bridge.workflow_task import BY_VARIABLE, read_workflow_task
from wf_dagster.rolling import RollingGen

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


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
    workflow = read_workflow_task(path)
    rolls = roll_workflow(workflow)
    notes = [*workflow.notes, *rolls.notes]
    if trunc_days is None:
        trunc_days = workflow.label_reach
        if trunc_days is None:
            notes.insert(
                0,
                "how far the label looks ahead is not known: with trunc_days, train would end "
                "before labels reach into the test segment",
            )
    RollingGen(step, rtype, trunc_days=trunc_days)  # refuses what has no meaning
    init = _write_init(workflow.settings)
    paths = f"sys.path += {workflow.paths!r}\n\n" if workflow.paths else ""
    modules = [("os", "os.environ" in "".join(init.values())), ("sys", bool(paths))]
    text = _MODULE.format(
        imports="".join(f"import {module}\n" for module, is_used in modules if is_used),
        name=name,
        file=path.name,
        paths=paths,
        init="".join(f"    {key}={value},\n" for key, value in init.items()),
        template=_write(rolls.template),
        analyses=f"analyses = {_write(rolls.analyses)}\n\n" if rolls.analyses else "",
        arguments=_write_arguments(name, workflow.experiment_name or name, rolls),
        generator=f"RollingGen(step={step!r}, rtype={rtype!r}, trunc_days={trunc_days!r})",
    )
    return StrategyModule(text, notes)


def _write(value: Any) -> str:
    return pprint.pformat(value, width=96, sort_dicts=False)


def _write_arguments(name: str, experiment: str, rolls: WorkflowRolls) -> str:
    """The arguments of ``build_rolling_assets``, a line or, where there are analyses, one each."""
    arguments = [repr(name), "template", "generator", f"experiment_name={experiment!r}"]
    if not rolls.analyses:
        return f"        {', '.join(arguments)}"
    return "\n".join(f"        {argument}," for argument in [*arguments, "analyses=analyses"])


def _write_init(settings: Mapping[str, Any]) -> dict[str, str]:
    """The arguments of ``wf_dagster.init``; a variable of the environment wins over the file."""
    return {
        name: f'os.environ.get("WF_{name.upper()}") or {value!r}'
        if name in BY_VARIABLE
        else repr(value)
        for name, value in settings.items()
    }


_MODULE = '''"""The strategy {name}, from Qlib's workflow file {file}."""

{imports}
import dagster as dg

import wf_dagster
from wf_dagster import RollingGen, build_rolling_assets
from wf_dagster.orchestration import TrackingResource

{paths}wf_dagster.init(
{init})

template = {template}

{analyses}generator = {generator}

defs = dg.Definitions(
    assets=build_rolling_assets(
{arguments}
    ),
    resources={{"tracking": TrackingResource()}},
)
'''
