"""What ``dg scaffold defs`` writes for strategies."""

from __future__ import annotations

import os
import pprint
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from textwrap import indent
from typing import Any

import dagster as dg
import yaml  # type: ignore[import-untyped]
from dagster.components.component_scaffolding import ComponentDumper
from pydantic import BaseModel, Field

from wf_dagster.errors import WfError
from wf_dagster.market import Market
from wf_dagster.orchestration.strategy.strategy_keys import check_strategy_name
from wf_dagster.rolling import RollingGen

_HORIZON = 5  # sessions from the trade to the end of the forecast
_REACH = _HORIZON + 1  # it trades one session later
_TRAIN_SHARE = 0.6  # of the sessions of prices that are there already
_SAMPLE_DATES = ("2008-01-02", "2018-01-02")
_COMMENTS = {
    "generator": (
        "How the segments move on: sessions a roll, or a period. Labels look "
        f"{_REACH} sessions ahead,",
        "and one more keeps all of them known before the test segment opens.",
    ),
    "market": ("A price file or folder, from the project's folder on; an address; or a table.",),
    "template": ("The task in Qlib's format; its segments are those of the first roll.",),
    "from_workflow": ("A workflow file of Qlib's qrun, from this folder on.",),
}


class ScaffoldParams(BaseModel):
    """The options of ``dg scaffold defs wf_dagster.RollingStrategyComponent``."""

    prices: str = Field(
        default="sample", description="'sample', or your price file or folder, from here on."
    )
    calendar: str | None = Field(default=None, description="Code of an exchange, such as XNYS.")
    step: str | None = Field(
        default=None, description="Sessions a roll, or week, month, quarter, year; default month."
    )
    rtype: str = Field(default="expanding", description="expanding or sliding.")
    train_start: str | None = Field(
        default=None, description="First date to learn from; default that of the prices."
    )
    test_start: str | None = Field(
        default=None, description="First date to forecast; default after 60 % of the prices."
    )
    from_workflow: str | None = Field(
        default=None, description="Workflow file of Qlib's that holds the task, from here on."
    )


class RollingStrategyScaffolder(dg.Scaffolder[ScaffoldParams]):
    """Writes a strategy that runs as it is: on the sample prices, or on yours."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParams]:
        """The options it takes."""
        return ScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldParams]) -> None:
        """Write the ``defs.yaml``, or the ``component.py``.

        Raises:
            SettingsError: The folder's name cannot be that of a strategy.
            TaskError: ``step`` or ``rtype`` has no meaning.
        """
        params, target = request.params, request.target_path
        folder = target.parent if request.append else target
        # a file that is added to holds the strategy of its folder's name already
        name = folder.name.replace("-", "_") + ("_2" if request.append else "")
        check_strategy_name(name)
        strategy = _describe_strategy(name, params, request.project_root or Path.cwd(), folder)
        if request.scaffold_format == "python":
            text, file = _python_text(strategy), folder / "component.py"
        else:
            text, file = _yaml_text(request.type_name, strategy), folder / "defs.yaml"
        if request.append:
            text, file = f"{target.read_text(encoding='utf-8')}---\n{text}", target
        file.write_text(text, encoding="utf-8")


def _describe_strategy(
    name: str, params: ScaffoldParams, root: Path, folder: Path
) -> dict[str, Any]:
    """The attributes of a strategy; price files from the project on, workflows from the folder."""
    step: int | str = params.step or "month"
    step = int(step) if isinstance(step, str) and step.isdigit() else step
    RollingGen(step, params.rtype)  # refuses what has no meaning
    generator: dict[str, Any] = {"step": step, "rtype": params.rtype}
    if params.from_workflow:
        workflow = _relative(Path(params.from_workflow), folder)
        return {"name": name, "generator": generator, "from_workflow": workflow}
    market = {"prices": params.prices}
    if Path(params.prices).exists():
        market["prices"] = _relative(Path(params.prices), root)
    if params.calendar:
        market["calendar"] = params.calendar
    first, start = _choose_dates(params)
    return {
        "name": name,
        "description": "Ridge regression on price features.",
        "generator": {**generator, "trunc_days": _REACH + 1},
        "market": market,
        "template": _describe_task(first, start),
    }


def _relative(path: Path, folder: Path) -> str:
    """A path from a folder on; that of a file elsewhere as it is."""
    path, folder = path.expanduser().absolute(), folder.absolute()
    shared = Path(os.path.commonpath([path, folder]))
    is_elsewhere = shared == Path(path.anchor)
    return path.as_posix() if is_elsewhere else Path(os.path.relpath(path, folder)).as_posix()


def _choose_dates(params: ScaffoldParams) -> tuple[str, str]:
    """The first dates to learn from and to forecast."""
    first, start = params.train_start, params.test_start
    if params.prices == "sample":
        first, start = first or _SAMPLE_DATES[0], start or _SAMPLE_DATES[1]
    if first and start:
        return first, start
    try:
        calendar = Market(params.prices, params.calendar).calendar
        sessions = calendar.between(None, calendar.last_session)
    except WfError as error:  # an asset may make them later
        print(f"The dates of the segments are made up, for the prices cannot be read yet: {error}")
        return first or _SAMPLE_DATES[0], start or _SAMPLE_DATES[1]
    place = int(len(sessions) * _TRAIN_SHARE)
    return first or f"{sessions[0]:%Y-%m-%d}", start or f"{sessions[place]:%Y-%m-%d}"


def _describe_task(first: str, start: str) -> dict[str, Any]:
    processors = "wf_dagster.data.processors"
    end = (date.fromisoformat(start) - timedelta(days=1)).isoformat()
    scale = {"class": "CSZScoreNorm", "module_path": processors}
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "wf_dagster.models",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 10.0},
        },
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "segments": {"train": [first, end], "test": [start, None]},
                "features": "wf_dagster.data.features.price_features",
                "label": {
                    "func": "wf_dagster.data.labels.forward_return",
                    "kwargs": {"horizon": _HORIZON},
                },
                "infer_processors": [
                    {**scale, "kwargs": {"fields_group": "feature"}},
                    {"class": "Fillna", "module_path": processors},
                ],
                "learn_processors": [
                    {"class": "DropnaLabel", "module_path": processors},
                    {**scale, "kwargs": {"fields_group": "label"}},
                ],
            },
        },
        "record": [
            {
                "class": "SignalRecord",
                "module_path": "wf_dagster.records",
                "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
            },
            {"class": "SigAnaRecord", "module_path": "wf_dagster.records"},
        ],
    }


def _yaml_text(type_name: str, strategy: Mapping[str, Any]) -> str:
    text = yaml.dump(dict(strategy), Dumper=_Dumper, sort_keys=False, default_flow_style=None)
    lines: list[str] = []
    for line in text.splitlines():
        lines += [f"# {comment}" for comment in _COMMENTS.get(line.partition(":")[0], ())]
        lines.append(line)
    listed = indent("\n".join(lines), "      ").replace("      ", "    - ", 1)
    return f"type: {type_name}\n\nattributes:\n  strategies:\n{listed}\n"


class _Dumper(ComponentDumper):
    """Writes short lists and mappings on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def write_line_break(self, data: str | None = None) -> None:
        yaml.Dumper.write_line_break(self, data)


def _python_text(strategy: Mapping[str, Any]) -> str:
    market = ", ".join(f"{key}={value!r}" for key, value in strategy.get("market", {}).items())
    generator = ", ".join(f"{key}={value!r}" for key, value in strategy["generator"].items())
    return _COMPONENT.format(
        name=strategy["name"],
        market=market,
        generator=generator,
        template=pprint.pformat(strategy["template"], width=96, sort_dicts=False),
    )


_COMPONENT = '''"""The strategy {name}."""

import dagster as dg
from wf_dagster import Market, RollingGen, RollingStrategyComponent, RollingStrategySpec

TEMPLATE = {template}


@dg.component_instance
def load(context: dg.ComponentLoadContext) -> RollingStrategyComponent:
    strategy = RollingStrategySpec(
        name="{name}",
        template=TEMPLATE,
        generator=RollingGen({generator}),
        market=Market({market}),
    )
    return RollingStrategyComponent(strategies=[strategy])
'''
