"""A code location, loaded into this process."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import dagster as dg
from dagster._grpc.utils import get_loadable_targets
from dagster.components.core.component_tree import ComponentTreeException
from dagster.components.definitions import LazyDefinitions
from dagster.components.resolved.errors import ResolutionException
from pydantic import ValidationError

from wf_dagster.errors import SettingsError, WfError
from wf_dagster.orchestration.location.code_target import REMEDY, CodeTarget, find_target
from wf_dagster.orchestration.strategy.moved_keys import keys_in
from wf_dagster.orchestration.strategy.strategy_keys import SIGNALS
from wf_dagster.orchestration.strategy.strategy_metadata import RollingMetadata
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec

_MAIN = "defs"  # the Definitions of a module that holds several


def load_definitions(module: str | None = None) -> dg.Definitions:
    """The definitions of a module, or of what Dagster opens in the current folder.

    Functions with ``@definitions`` are called, folders of definitions (``defs/``) are read. The
    variables of the project's ``.env`` are those of this process from then on, and its folder is on
    the path.

    Args:
        module: Its name; default what :func:`find_target` finds.

    Raises:
        SettingsError: No module is named, it is not there, it holds no ``Definitions``, or a
            ``defs.yaml`` of the project is wrong.
    """
    return load_target(find_target(module))


def load_target(target: CodeTarget) -> dg.Definitions:
    """The definitions of a code location, as :func:`load_definitions` loads them.

    Raises:
        SettingsError: As there.
    """
    target.set_environment()
    folder = str(target.folder)
    if folder not in sys.path:  # as `dagster dev` does it
        sys.path.insert(0, folder)
    try:
        return _load_origin(target)
    except ComponentTreeException as error:
        cause: BaseException | None = error
        while isinstance(cause, ComponentTreeException):
            cause = cause.__cause__
        if not isinstance(cause, (ResolutionException, ValidationError, WfError)):
            raise  # it is in code
        # it is in a `defs.yaml`, and names the line
        raise SettingsError(f"the definitions of {folder} cannot be loaded: {cause}") from None


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


def signals_of(definitions: dg.Definitions, strategy: StrategySpec) -> list[str]:
    """The MLflow experiments of the signals of a code location that are made of a strategy.

    Args:
        definitions: The code location.
        strategy: As :func:`find_strategy` gives it.
    """
    graph = definitions.get_repository_def().asset_graph
    children = graph.get(strategy.keys.asset("collected")).child_keys
    signals = [RollingMetadata.of(graph.get(key).metadata) for key in sorted(children)]
    return [asset.experiment for asset in signals if asset is not None and asset.part == SIGNALS]


def _load_origin(target: CodeTarget) -> dg.Definitions:
    origin = target.loadable
    if origin.module_name and not origin.attribute:
        return _pick_definitions(_import_module(origin.module_name, target))
    if origin.autoload_defs_module_name:
        _import_module(origin.autoload_defs_module_name, target)  # says what is not there
    loaded = get_loadable_targets(
        python_file=origin.python_file,
        module_name=origin.module_name,
        package_name=origin.package_name,
        autoload_defs_module_name=origin.autoload_defs_module_name,
        working_directory=origin.working_directory or str(target.folder),
        attribute=origin.attribute,
        resolve_lazy_defs=False,
    )
    return _to_definitions(loaded[0].target_definition, f"{target.file} of {target.folder}")


def _import_module(name: str, target: CodeTarget) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # one that the module itself needs
        remedy = REMEDY
        if (target.folder / "src" / name.partition(".")[0]).is_dir():
            remedy = "install the project first (`uv sync`, or `pip install -e .`)"
        raise SettingsError(
            f"there is no module {name!r} here ({target.folder}): {remedy}"
        ) from None


def _pick_definitions(module: ModuleType) -> dg.Definitions:
    values = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, (dg.Definitions, LazyDefinitions))
    }
    distinct = {id(value): value for value in values.values()}
    where = f"module {module.__name__!r}"
    if len(distinct) == 1:
        return _to_definitions(next(iter(distinct.values())), where)
    if _MAIN in values:  # merged from the others
        return _to_definitions(values[_MAIN], where)
    if not distinct and (assets := dg.load_assets_from_modules([module])):
        return dg.Definitions(assets=assets)
    named = f" ({', '.join(values)}), and none is called {_MAIN}" if values else ""
    raise SettingsError(f"{where} holds {len(distinct)} Definitions, not one{named}: {REMEDY}")


def _to_definitions(value: Any, where: str) -> dg.Definitions:
    if isinstance(value, LazyDefinitions) and not value.has_context_arg:
        value = value()
    if isinstance(value, list):  # assets alone
        value = dg.Definitions(assets=value)
    if not isinstance(value, dg.Definitions):
        raise SettingsError(f"{where} holds a {type(value).__name__}, not Definitions: {REMEDY}")
    return value
