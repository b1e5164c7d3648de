"""A code location, loaded into this process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import tomli
import yaml  # type: ignore[import-untyped]

from wf_dagster.errors import SettingsError
from wf_dagster.orchestration.moved_keys import keys_in
from wf_dagster.orchestration.strategy_spec import StrategySpec

_REMEDY = "name the module that holds your Definitions with -m, for example -m assets.definitions"


def load_definitions(module: str | None = None) -> dg.Definitions:
    """The definitions of a module.

    Args:
        module: Its name; default what ``workspace.yaml`` or ``pyproject.toml`` of this folder name.

    Raises:
        SettingsError: No module is named, it is not there, or it holds no ``Definitions``.
    """
    name = module or _module_of_folder()
    folder = str(Path.cwd())
    if folder not in sys.path:  # as `dagster dev` does it
        sys.path.insert(0, folder)
    try:
        loaded = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # one that the module itself needs
        raise SettingsError(f"there is no module {name!r} here ({folder}): {_REMEDY}") from None
    candidates = [value for value in vars(loaded).values() if isinstance(value, dg.Definitions)]
    if len(candidates) != 1:
        raise SettingsError(
            f"module {name!r} holds {len(candidates)} Definitions, not one: {_REMEDY}"
        )
    return candidates[0]


def find_strategy(definitions: dg.Definitions, name: str) -> StrategySpec:
    """A strategy of a code location.

    Args:
        definitions: The code location.
        name: The strategy's name.

    Raises:
        SettingsError: It has no strategy of that name.
    """
    strategies = list_strategies(definitions)
    if name in strategies:
        return strategies[name]
    there = ", ".join(sorted(strategies)) or "none"
    raise SettingsError(f"the code location has no strategy {name!r}: it has {there}")


def list_strategies(definitions: dg.Definitions) -> dict[str, StrategySpec]:
    """The strategies of a code location, by name, with their asset keys as they are in it."""
    repository = definitions.get_repository_def()
    functions = [
        getattr(getattr(assets.node_def, "compute_fn", None), "decorated_fn", None)
        for assets in repository.assets_defs_by_key.values()
        if assets.is_executable
    ]
    specs = [getattr(function, "strategy", None) for function in functions]
    return {
        spec.name: replace(spec, asset_keys=keys_in(repository.asset_graph, spec.keys).by_part)
        for spec in specs
        if isinstance(spec, StrategySpec)
    }


def _module_of_folder() -> str:
    for file, modules in (("workspace.yaml", _of_workspace), ("pyproject.toml", _of_pyproject)):
        if Path(file).is_file() and (name := next(modules(Path(file).read_text()), None)):
            return name
    raise SettingsError(
        f"neither workspace.yaml nor pyproject.toml of {Path.cwd()} names a code location: "
        f"{_REMEDY}"
    )


def _of_workspace(text: str) -> Iterator[str]:
    for target in (yaml.safe_load(text) or {}).get("load_from", ()):
        module = target.get("python_module") if isinstance(target, dict) else None
        if module:
            yield module if isinstance(module, str) else module["module_name"]


def _of_pyproject(text: str) -> Iterator[str]:
    tools: dict[str, Any] = tomli.loads(text).get("tool", {})
    project = tools.get("dg", {}).get("project", {})
    for name in (
        tools.get("dagster", {}).get("module_name"),
        project.get("code_location_target_module"),
    ):
        if name:
            yield name
