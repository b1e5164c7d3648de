"""A workflow file of Qlib's ``qrun``: Jinja, YAML and the base that it changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.qlib_bridge.session import EXTRA

BASE = "BASE_CONFIG_PATH"


def read_workflow(path: Path) -> dict[str, Any]:
    """The configuration in a workflow file, as ``qrun`` reads it.

    Raises:
        TaskError: The file cannot be read, or holds no task; pyqlib is not installed.
    """
    config = _mapping(_rendered(path), path)
    if base := config.get(BASE):
        from qlib.utils.data import update_config

        config = update_config(_base(Path(str(base)), path), config)
        config.pop(BASE, None)
    if not isinstance(config.get("task"), dict):
        raise TaskError(f"{path}: there is no 'task' with a model and a dataset in it")
    return config


def _rendered(path: Path) -> str:
    from jinja2 import Environment, StrictUndefined, TemplateError
    from jinja2.meta import find_undeclared_variables

    text = _text(path)
    environment = Environment(undefined=StrictUndefined)
    try:
        named = find_undeclared_variables(environment.parse(text))
        known = {name: os.environ[name] for name in named if name in os.environ}
        return environment.from_string(text).render(known)
    except TemplateError as error:
        raise TaskError(
            f"{path}: {error}; a variable of the template comes from the environment: export it, "
            "or give it a value with {{ NAME | default('...') }}"
        ) from None


def _base(named: Path, path: Path) -> dict[str, Any]:
    for place in (named, path.absolute().parent / named):
        if place.exists():
            return _mapping(_text(place), place)
    raise TaskError(f"{path}: {BASE} {str(named)!r} is neither here nor beside that file")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{str(path)!r} cannot be read: {error}") from None


def _mapping(text: str, path: Path) -> dict[str, Any]:
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError
    except ImportError as error:
        raise TaskError(f"a workflow file of Qlib's is read with its own YAML: {EXTRA}") from error
    try:
        config = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise TaskError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise TaskError(f"{path} holds {type(config).__name__}, not the sections of a workflow")
    return config
