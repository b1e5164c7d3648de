"""Where the code location of a folder is, as Dagster's own commands find it there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import tomli
import yaml  # type: ignore[import-untyped]
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.secrets.env_file import get_env_var_dict
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load import (
    location_origin_from_autoload_defs_module_name,
    location_origin_from_module_name,
    location_origins_from_yaml_paths,
)
from dagster._core.workspace.load_target import AutoloadDefsModuleTarget, get_target_from_toml_data

from wf_dagster.errors import SettingsError

REMEDY = "name the module that holds your Definitions with -m, for example -m assets.definitions"
WORKSPACE = "workspace.yaml"
_PYPROJECT = "pyproject.toml"
_DG = "dg.toml"


@dataclass(frozen=True)
class CodeTarget:
    """A code location that can be loaded.

    Attributes:
        origin: What Dagster loads, and the name that its pages know the code location by.
        folder: Where Dagster is started: that of the file which names it.
        file: The file which names it; ``""`` where a module was given by hand.
    """

    origin: ManagedGrpcPythonEnvCodeLocationOrigin
    folder: Path
    file: str = ""

    @property
    def loadable(self) -> LoadableTargetOrigin:
        """The module, file or package, and where it is looked for."""
        return self.origin.loadable_target_origin

    @property
    def is_workspace(self) -> bool:
        """Whether a workspace file names it, and perhaps further ones."""
        return self.file.endswith((".yaml", ".yml"))

    def workspace_text(self) -> str:
        """A workspace file with this code location alone, under the name that it has."""
        origin = self.loadable
        kinds = {
            "python_file": ("relative_path", origin.python_file),
            "python_module": ("module_name", origin.module_name),
            "python_package": ("package_name", origin.package_name),
            "autoload_defs_module": ("module_name", origin.autoload_defs_module_name),
        }
        kind, (key, value) = next(item for item in kinds.items() if item[1][1])
        entry = {
            key: value,
            "attribute": origin.attribute,
            "working_directory": origin.working_directory,
            "location_name": self.origin.location_name,
        }
        named = {name: text for name, text in entry.items() if text}
        return str(yaml.safe_dump({"load_from": [{kind: named}]}))

    def set_environment(self) -> None:
        """Take over the variables of the folder's ``.env``, as Dagster's processes do."""
        os.environ.update(get_env_var_dict(str(self.folder)))


def find_target(module: str | None = None, workspace: Path | None = None) -> CodeTarget:
    """The code location of the current folder.

    It is what ``dagster dev`` or ``dg dev`` open there: that of ``workspace.yaml``, else that of
    ``[tool.dagster]``, else the project of ``dg.toml`` or ``[tool.dg]``, which may be further up.

    Args:
        module: Name of a module that is loaded instead.
        workspace: A workspace file that is read instead; its first code location counts.

    Raises:
        SettingsError: Nothing there names a code location.
    """
    folder = Path.cwd()
    if module:
        return CodeTarget(_of_module(module, folder), folder)
    if workspace is not None:
        return _of_workspace(workspace.absolute())
    if (folder / WORKSPACE).is_file():
        return _of_workspace(folder / WORKSPACE)
    target = _of_dagster_table(folder) or _of_dg_project(folder)
    if target is None:
        raise SettingsError(
            f"neither {WORKSPACE} nor {_PYPROJECT} of {folder} names a code location, nor is it in "
            f"a project of Dagster's `dg`: {REMEDY}"
        )
    return target


def _of_module(
    name: str, folder: Path, location: str | None = None
) -> ManagedGrpcPythonEnvCodeLocationOrigin:
    return location_origin_from_module_name(name, None, str(folder), location_name=location)


def _of_workspace(file: Path) -> CodeTarget:
    try:
        origins = location_origins_from_yaml_paths([str(file)])
    except (dg.DagsterError, OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{file} is no workspace of Dagster's: {error}") from None
    for origin in origins:
        if isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin):
            return CodeTarget(origin, file.parent, file.name)
    raise SettingsError(
        f"{file} names no code location that can be loaded here, such as python_module: {REMEDY}"
    )


def _of_dagster_table(folder: Path) -> CodeTarget | None:
    """Of ``[tool.dagster]``, which Dagster reads in the current folder only."""
    table = _read_toml(folder / _PYPROJECT).get("tool", {}).get("dagster", {})
    name, modules = table.get("module_name"), table.get("modules") or []
    names = [name] if name else [item.get("name") for item in modules if isinstance(item, Mapping)]
    if not names:
        return None
    origin = _of_module(str(names[0]), folder, table.get("code_location_name"))
    return CodeTarget(origin, folder, _PYPROJECT)


def _of_dg_project(folder: Path) -> CodeTarget | None:
    """Of the closest project of ``dg``; a ``dg.toml`` hides the table of ``pyproject.toml``."""
    for place in (folder, *folder.parents):
        for name in (_DG, _PYPROJECT):
            content = _read_toml(place / name)
            config = content if name == _DG else content.get("tool", {}).get("dg", {})
            if config:
                return _of_dg_config(config, place, name)
    return None


def _of_dg_config(config: Mapping[str, Any], folder: Path, file: str) -> CodeTarget:
    project = config.get("project", {})
    if not project and (workspace := config.get("workspace")):
        paths = ", ".join(str(item.get("path")) for item in workspace.get("projects", ()))
        raise SettingsError(
            f"{folder / file} is a workspace of the projects {paths or 'none'}: run the command "
            "in the folder of one of them"
        )
    if not (project.get("root_module") or project.get("code_location_target_module")):
        raise SettingsError(
            f"{folder / file} names no root_module: write it into its section 'project', or "
            f"{REMEDY}"
        )
    project = {"root_module": "", **project}
    target: Any = get_target_from_toml_data({"tool": {"dg": {"project": project}}})
    # the name that `dg` gives it, so that its pages and ours are on the same schedules
    location = target.location_name or folder.name
    if isinstance(target, AutoloadDefsModuleTarget):
        origin = location_origin_from_autoload_defs_module_name(
            target.autoload_defs_module_name, str(folder), location_name=location
        )
    else:
        origin = _of_module(target.module_name, folder, location)
    return CodeTarget(origin, folder, file)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomli.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None
