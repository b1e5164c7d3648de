"""Configurations of objects: found by name, made with their arguments, placeholders filled."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

from wf_dagster.errors import TaskError

_REFERENCE = re.compile(r"<([A-Za-z_][\w-]*(?:\.[\w-]+)*)>")


def locate(name: str, module_path: str | None = None, *, where: str = "") -> Any:
    """The object of a dotted path, or of a name in a module.

    Args:
        name: ``"package.module.Name"``, or ``"Name"`` together with ``module_path``.
        module_path: The module that holds ``name``.
        where: Path of the value in the task, for the message.

    Raises:
        TaskError: The module cannot be imported, or has no such name.
    """
    place = f"{where}: " if where else ""
    module, _, attribute = name.rpartition(".")
    if module_path:
        module, attribute = module_path, name
    if not module:
        raise TaskError(
            f"{place}{name!r} does not say where it is: add its module_path, or write the whole "
            f"path such as 'package.module.{name}'"
        )
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        missing = getattr(error, "name", None)
        if missing and not (module == missing or module.startswith(f"{missing}.")):
            raise TaskError(
                f"{place}module {module!r} needs {missing!r}, which is not installed"
            ) from error
        raise TaskError(f"{place}module {module!r} cannot be imported: {error}") from error
    try:
        return getattr(found, attribute)
    except AttributeError:
        near = _nearest(attribute, dir(found))
        raise TaskError(f"{place}module {module!r} has no {attribute!r}{near}") from None


def init_instance(config: Any, *, where: str = "", **extra_kwargs: Any) -> Any:
    """Make the object that a configuration describes.

    Args:
        config: ``{"class", "module_path", "kwargs"}``, where ``class`` may be a dotted path or
            a type; or a dotted path; or a ready object, which is returned as it is.
        where: Path of the configuration in the task, for messages.
        **extra_kwargs: Further keyword arguments; those of the configuration win.

    Raises:
        TaskError: The class cannot be found or does not take the arguments.
    """
    if isinstance(config, str):
        config = {"class": config}
    if not isinstance(config, Mapping):
        return config
    kind = find_class(config, where=where)
    kwargs = {**extra_kwargs, **(config.get("kwargs") or {})}
    try:
        return kind(**kwargs)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # it came from inside the constructor
        place = f"{where}: " if where else ""
        raise TaskError(
            f"{place}{kind.__name__} cannot be made from these kwargs: {error}"
        ) from error


def find_class(config: Mapping[str, Any], *, where: str = "") -> Any:
    """The class that a configuration names.

    Raises:
        TaskError: It names none, or one that cannot be found.
    """
    place = f"{where}." if where else ""
    if "class" not in config:
        raise TaskError(
            f"{place}class is missing: write {{'class': ..., 'module_path': ..., 'kwargs': ...}}"
        )
    name = config["class"]
    if isinstance(name, type):
        return name
    if not isinstance(name, str):
        raise TaskError(f"{place}class is {name!r}: use a class or its name")
    kind = locate(name, config.get("module_path"), where=f"{place}class")
    if not callable(kind):
        raise TaskError(f"{place}class {name!r} is a {type(kind).__name__}, not a class")
    return kind


def fill_placeholders(config: Any, values: Mapping[str, Any], *, where: str = "") -> Any:
    """Put values in the place of placeholders; the given configuration stays as it is.

    Args:
        config: Nested dicts, lists, tuples and values.
        values: What stands for ``"<MODEL>"``, ``"<DATASET>"``, ...; a plain key such as
            ``"task"`` makes ``"<dataset.kwargs.segments.train.0>"`` look into that task.
        where: Path of ``config`` in the task, for the message.

    Raises:
        TaskError: A reference points at nothing.
    """
    if isinstance(config, Mapping):
        inner = f"{where}." if where else ""
        return {
            key: fill_placeholders(value, values, where=f"{inner}{key}")
            for key, value in config.items()
        }
    if isinstance(config, (list, tuple)):
        inner = f"{where}." if where else ""
        made = [
            fill_placeholders(value, values, where=f"{inner}{position}")
            for position, value in enumerate(config)
        ]
        return made if isinstance(config, list) else tuple(made)
    if not isinstance(config, str):
        return config
    if config in values:
        return values[config]
    found = _REFERENCE.fullmatch(config)
    return _look_up(found[1], values, where) if found else config


def _look_up(reference: str, values: Mapping[str, Any], where: str) -> Any:
    value: Any = values.get("task", {})
    for part in reference.split("."):
        try:
            value = value[part] if isinstance(value, Mapping) else value[int(part)]
        except (KeyError, IndexError, ValueError, TypeError):
            known = ", ".join(k for k in values if k.startswith("<")) or "none"
            raise TaskError(
                f"{where or 'the task'}: <{reference}> points at nothing ({part!r} is not "
                f"there); ready placeholders are {known}"
            ) from None
    return value


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
