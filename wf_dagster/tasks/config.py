"""Configurations of objects: found by name, made with their arguments, placeholders filled."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.extras import EXTRAS, extra_of, has_extra, pip_command, require_extra
from wf_dagster.imports.module_files import (
    find_named_file,
    is_module_file,
    name_module,
    with_module_names,
)
from wf_dagster.imports.own_names import own_attribute

_REFERENCE = re.compile(r"<([A-Za-z_][\w-]*(?:\.[\w-]+)*)>")


def locate(name: str, module_path: str | None = None, *, where: str = "") -> Any:
    """The object of a dotted path, or of a name in a module.

    Args:
        name: ``"package.module.Name"``, or ``"Name"`` together with ``module_path``.
        module_path: The module that holds ``name``, where that is no dotted path; or the path of
            its file, such as ``"my_model.py"``.
        where: Path of the value in the task, for the message.

    Raises:
        TaskError: The module cannot be imported, or has no such name.
    """
    place = f"{where}: " if where else ""
    module, attribute = split_path(name, module_path, where=where)
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        missing = getattr(error, "name", None)
        file = find_named_file(module)
        if file is not None and missing == module:
            raise TaskError(
                f"{place}module_path {str(file)!r} is not there: a file is looked for beside the "
                "workflow file that names it, else in the current folder"
            ) from None
        extra = extra_of(missing)
        if extra and not has_extra(extra):
            is_own = extra_of(module) == extra
            whose = "is Qlib's" if is_own and extra == "qlib" else f"needs {missing}"
            raise TaskError(
                f"{place}{module!r} {whose}, which is not installed: {pip_command(extra)}"
            ) from error
        if missing and not (module == missing or module.startswith(f"{missing}.")):
            raise TaskError(
                f"{place}module {module!r} needs {missing!r}, which is not installed"
            ) from error
        of_class = "is not a package" in str(error)
        remedy = "; name a class or function of a module itself, not of a class" if of_class else ""
        raise TaskError(f"{place}module {module!r} cannot be imported: {error}{remedy}") from error
    except Exception as error:  # a module of the user's may raise anything
        raise TaskError(
            f"{place}module {module!r} fails while it is imported, with "
            f"{type(error).__name__}: {error}"
        ) from error
    try:
        return own_attribute(imported, attribute)
    except AttributeError:
        hint = nearest_name(attribute, _offered_names(imported))
        raise TaskError(f"{place}module {module!r} has no {attribute!r}{hint}") from None


def split_path(name: str, module_path: str | None = None, *, where: str = "") -> tuple[str, str]:
    """The module and the name in it of a dotted path, or of a name in a module.

    Args:
        name: As for :func:`locate`, like the other parameters.
        module_path: The module that holds ``name``, where that is no dotted path; or its file,
            which is named as any process imports it.
        where: Path of the value in the task, for the message.

    Raises:
        TaskError: No module is named.
    """
    module, _, attribute = name.rpartition(".")
    if not module and module_path and is_module_file(module_path):
        return name_module(module_path), attribute
    module = module or module_path or ""
    if not module.strip(".") or module.startswith("."):
        place = f"{where}: " if where else ""
        raise TaskError(
            f"{place}{name!r} does not say where it is: add its module_path, or write the whole "
            f"path such as 'package.module.{name}'"
        )
    return module, attribute


def init_instance(config: Any, *, where: str = "", **extra_kwargs: Any) -> Any:
    """Make the object that a configuration describes.

    Args:
        config: ``{"class", "module_path", "kwargs"}``, where ``class`` (or ``func``, for a
            function that makes the object) may be a dotted path or the thing itself; or a
            dotted path; or a ready object, which is returned as it is.
        where: Path of the configuration in the task, for messages.
        **extra_kwargs: Further keyword arguments; those of the configuration win.

    Raises:
        TaskError: The class cannot be found or does not take the arguments.
    """
    if not isinstance(config, (str, Mapping)):
        return config
    kind = find_class(config, where=where)
    own_kwargs = config.get("kwargs") if isinstance(config, Mapping) else None
    # Qlib makes what is configured in there, and would name the modules of files otherwise
    kwargs = {**extra_kwargs, **(with_module_names(own_kwargs) or {})}
    try:
        return kind(**kwargs)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise  # it came from inside the constructor
        place = f"{where}: " if where else ""
        raise TaskError(
            f"{place}{getattr(kind, '__name__', kind)} cannot be made from these kwargs: {error}"
        ) from error


def init_with_offered(
    config: Any, offered: Mapping[str, Any], *, where: str = "", **extra_kwargs: Any
) -> Any:
    """Make the object that a configuration describes, with what its class has parameters for.

    Args:
        config: As for :func:`init_instance`, like the other parameters.
        offered: Arguments that are given where there is a parameter of that name; not ``None``.
        where: Path of the configuration in the task, for messages.
        **extra_kwargs: Further keyword arguments; those of the configuration win.

    Raises:
        TaskError: The class cannot be found or does not take the arguments.
    """
    if not isinstance(config, (str, Mapping)):
        return config
    try:
        parameters = inspect.signature(find_class(config, where=where)).parameters
    except ValueError:  # a class of C has none to show
        return init_instance(config, where=where, **extra_kwargs)
    accepted = {
        name: value for name, value in offered.items() if name in parameters and value is not None
    }
    return init_instance(config, where=where, **extra_kwargs, **accepted)


def find_class(config: Any, *, where: str = "") -> Any:
    """The class, or the function, that a configuration names.

    Raises:
        TaskError: It names none, or one that cannot be found or needs what is not installed.
    """
    key, name = read_name(config, where=where)
    place = f"{where}.{key}" if where else key
    kind = name
    if isinstance(name, str):
        module_path = config.get("module_path") if isinstance(config, Mapping) else None
        kind = locate(name, module_path, where=place)
        if not callable(kind):
            raise TaskError(f"{place} {name!r} is a {type(kind).__name__}, not a class")
    check_extra(kind, where=place)
    return kind


def check_extra(value: Any, *, where: str = "") -> None:
    """Make sure that the extra is installed which a class or an object of one asks for.

    Args:
        value: What may have an attribute ``requires_extra``, the name of the extra.
        where: Its path in the task, for the message.

    Raises:
        TaskError: It is not installed.
    """
    extra = getattr(value, "requires_extra", None)
    if isinstance(extra, str) and extra in EXTRAS:
        name = getattr(value, "__name__", type(value).__name__)
        require_extra(extra, f"{where}: {name}" if where else name, TaskError)


def read_name(config: Any, *, where: str = "") -> tuple[str, Any]:
    """The key of a configuration that says what is to be made, and its value.

    Raises:
        TaskError: There is none, or it is neither a name nor a class.
    """
    if isinstance(config, str):
        config = {"class": config}
    key = "func" if "func" in config and "class" not in config else "class"
    place = f"{where}.{key}" if where else key
    if key not in config:
        raise TaskError(
            f"{place} is missing: write {{'class': ..., 'module_path': ..., 'kwargs': ...}}"
        )
    name = config[key]
    if not callable(name) and not (isinstance(name, str) and name):
        raise TaskError(f"{place} is {name!r}: use a class or its name")
    return key, name


def class_path(config: Mapping[str, Any]) -> str:
    """The dotted path of what a configuration names, ``""`` for none; nothing is imported."""
    name = config.get("class", config.get("func", ""))
    if not isinstance(name, str):
        return f"{name.__module__}.{name.__qualname__}"
    module = config.get("module_path")
    if "." in name or not module:
        return name
    return f"{name_module(module) if is_module_file(module) else module}.{name}"


def fill_placeholders(
    config: Any,
    values: Mapping[str, Any],
    *,
    task: Mapping[str, Any] | None = None,
    where: str = "",
) -> Any:
    """Put values in the place of placeholders; the given configuration stays as it is.

    Args:
        config: Nested dicts, lists, tuples and values.
        values: What stands for ``"<MODEL>"``, ``"<DATASET>"``, ...
        task: Where a path such as ``"<dataset.kwargs.segments.train.0>"`` leads to a value.
        where: Path of ``config`` in the task, for the message.

    Raises:
        TaskError: A placeholder stands for nothing.

    Example:
        >>> task = {"dataset": {"kwargs": {"segments": {"train": ("2020-01-02", "2020-06-30")}}}}
        >>> fill_placeholders(
        ...     {"model": "<MODEL>", "since": "<dataset.kwargs.segments.train.0>"},
        ...     {"<MODEL>": 42}, task=task)
        {'model': 42, 'since': '2020-01-02'}
    """

    def fill(value: Any, where: str) -> Any:
        inner = f"{where}." if where else ""
        if isinstance(value, Mapping):
            return {key: fill(v, f"{inner}{key}") for key, v in value.items()}
        if isinstance(value, (list, tuple)):
            filled = [fill(v, f"{inner}{position}") for position, v in enumerate(value)]
            return filled if isinstance(value, list) else tuple(filled)
        if not isinstance(value, str):
            return value
        if value in values:
            return values[value]
        reference = _REFERENCE.fullmatch(value)
        return _look_up(reference[1], task or {}, where, values) if reference else value

    return fill(config, where)


def _look_up(
    reference: str, task: Mapping[str, Any], where: str, placeholders: Mapping[str, Any]
) -> Any:
    value: Any = task
    for part in reference.split("."):
        try:
            value = value[part] if isinstance(value, Mapping) else value[int(part)]
        except (KeyError, IndexError, ValueError, TypeError):
            raise TaskError(
                f"{where or 'the task'}: <{reference}> stands for nothing: the task has no "
                f"{part!r} there, and the other placeholders are "
                f"{', '.join(placeholders) or 'none'}"
            ) from None
    return value


def _offered_names(module: Any) -> list[str]:
    """What a module offers to a task, lazy names included: not the modules that it imports."""
    values = vars(module)
    return [n for n in dir(module) if n[0] != "_" and (n not in values or callable(values[n]))]


def nearest_name(name: str, names: list[str]) -> str:
    """The end of a message: the name that was probably meant; empty where none is near."""
    close = get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
