"""A workflow file of Qlib's ``qrun``: Jinja, YAML and the base that it changes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.imports.module_files import place_module_files
from wf_dagster.qlib_bridge.session import EXTRA

BASE = "BASE_CONFIG_PATH"


def read_workflow(path: Path) -> dict[str, Any]:
    """The configuration in a workflow file, as ``qrun`` reads it.

    The file of a module, ``module_path: something.py``, is the one beside it, else that of the
    current folder.

    Raises:
        TaskError: The file cannot be read, or holds no task; pyqlib is not installed.
    """
    config = _parse(_render(path), path)
    if base := config.get(BASE):
        config = merge_config(_read_base(Path(str(base)), path), config)
    if not isinstance(config.get("task"), dict):
        raise TaskError(f"{path}: there is no 'task' with a model and a dataset in it")
    placed: dict[str, Any] = place_module_files(config, path.absolute().parent)
    return placed


def merge_config(config: Mapping[str, Any], changes: Any) -> dict[str, Any]:
    """A configuration with changes, as Qlib merges them: sections inside sections one by one.

    Args:
        config: It stays as it is.
        changes: A configuration, or a list of them; Qlib's ``S_DROP`` as a value takes a key out.

    Raises:
        TaskError: pyqlib is not installed.
    """
    try:
        from qlib.utils.data import update_config  # slow to import
    except ImportError as error:
        raise TaskError(f"workflow files of Qlib's are merged by Qlib: {EXTRA}") from error
    merged: dict[str, Any] = update_config(dict(config), changes)
    return merged


def list_module_folders(config: Mapping[str, Any], file: Path) -> list[str]:
    """The folders of a workflow's own modules, absolute: ``sys.path`` and ``sys.rel_path`` in it.

    Args:
        config: What :func:`read_workflow` gave.
        file: The file that it is of: ``rel_path`` is beside it, ``path`` where the process stands.
    """
    section = config.get("sys") or {}

    def read_list(key: str) -> list[str]:
        value = section.get(key) or []
        return [value] if isinstance(value, str) else list(value)

    here = file.absolute().parent
    return [
        *(str(Path(folder).absolute()) for folder in read_list("path")),
        *(str((here / folder).resolve()) for folder in read_list("rel_path")),
    ]


def _render(path: Path) -> str:
    # slow to import
    from jinja2 import Environment, StrictUndefined, TemplateError
    from jinja2.meta import find_undeclared_variables

    class Unset(StrictUndefined):
        """A variable that may be tested, as ``qrun`` allows, but not written into the file."""

        def __bool__(self) -> bool:  # type: ignore[override]
            return False

    text = _read_text(path)
    environment = Environment(undefined=Unset)
    try:
        names = find_undeclared_variables(environment.parse(text))
        variables = {name: os.environ[name] for name in names if name in os.environ}
        return environment.from_string(text).render(variables)
    except TemplateError as error:
        raise TaskError(
            f"{path}: {error}; a variable of the template comes from the environment: export it, "
            "or give it a value with {{ NAME | default('...') }}"
        ) from None


def _read_base(name: Path, path: Path) -> dict[str, Any]:
    for place in (name, path.absolute().parent / name):
        if place.exists():
            return _parse(_read_text(place), place)
    raise TaskError(f"{path}: {BASE} {str(name)!r} is neither here nor beside that file")


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{str(path)!r} cannot be read: {error}") from None


class _Padded(int):
    """A number that was written with zeros in front."""

    text: str

    def __new__(cls, number: int, text: str) -> _Padded:
        padded = super().__new__(cls, number)
        padded.text = text
        return padded


def _with_codes(value: Any, are_names: bool = False) -> Any:
    """A configuration whose ``instruments`` keep the zeros of their codes: 000001 is a name."""
    if isinstance(value, dict):
        return {n: _with_codes(v, are_names or n == "instruments") for n, v in value.items()}
    if isinstance(value, list):
        return [_with_codes(inner, are_names) for inner in value]
    if isinstance(value, _Padded):
        return value.text if are_names else int(value)
    return value


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        from ruamel.yaml import YAML  # slow to import, as the next; it comes with Qlib
        from ruamel.yaml.constructor import SafeConstructor
        from ruamel.yaml.error import YAMLError
    except ImportError as error:
        raise TaskError(f"a workflow file of Qlib's is read with its own YAML: {EXTRA}") from error

    class Codes(SafeConstructor):
        """Keeps how a number is written that has zeros in front."""

        def construct_number(self, node: Any) -> Any:
            number = self.construct_yaml_int(node)
            return _Padded(number, node.value) if re.fullmatch(r"0[0-9]+", node.value) else number

    Codes.add_constructor("tag:yaml.org,2002:int", Codes.construct_number)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Codes
    try:
        config = _with_codes(yaml.load(text))
    except YAMLError as error:
        raise TaskError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise TaskError(f"{path} holds {type(config).__name__}, not the sections of a workflow")
    return config
