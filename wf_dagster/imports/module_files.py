"""Modules that a configuration names by their file: ``module_path: something.py``, as Qlib allows.

Such a file is a module of this package, named after the place of the file, so that every process
that has this package can import it by its name alone: a worker, or whoever loads a model of a class
in it. Qlib names it after the path as well, but only the process that has run it knows the name.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

__path__: list[str] = []  # a package, though it has no folder: its modules lie elsewhere

_SUFFIX = ".py"
_MODULE_PATH = "module_path"
_PACKAGE = f"{__name__}."
_ESCAPED = re.compile(r"_([0-9A-F]{2})")


def is_module_file(module_path: Any) -> bool:
    """Whether a ``module_path`` is the path of a Python file, not the name of a module."""
    return isinstance(module_path, str) and module_path.endswith(_SUFFIX)


def is_own_module(module: str) -> bool:
    """Whether a module is of this package, which the files are not that others name."""
    return module.partition(".")[0] == __name__.partition(".")[0] and not module.startswith(
        _PACKAGE
    )


def name_module(file: str | Path) -> str:
    """The name by which a file is imported, in this process and any other.

    Args:
        file: Its path; a relative one is of the current folder.

    Example:
        >>> name_module("/models/net.py")
        'wf_dagster.imports.module_files._2Fmodels_2Fnet'
    """
    path = str(Path(file).expanduser().absolute()).removesuffix(_SUFFIX)
    return _PACKAGE + re.sub("[^0-9A-Za-z]", _escape, path)


def find_named_file(module: str) -> Path | None:
    """The file of a module that :func:`name_module` named; ``None`` for another module.

    Example:
        >>> find_named_file("wf_dagster.imports.module_files._2Fmodels_2Fnet").name
        'net.py'
    """
    name = module.removeprefix(_PACKAGE)
    if name == module or "." in name:
        return None
    try:
        parts = _ESCAPED.split(name)
        octets = [bytes.fromhex(p) if n % 2 else p.encode() for n, p in enumerate(parts)]
        return Path(b"".join(octets).decode() + _SUFFIX)
    except UnicodeDecodeError:
        return None


def place_module_files(config: Any, folder: str | Path | None = None) -> Any:
    """A configuration whose files of modules are absolute paths; the given one stays as it is.

    Args:
        config: Nested dicts, lists, tuples and values, such as a task.
        folder: That of the workflow file, where a relative path is looked for first; else, and by
            default, it is of the current folder, as Qlib takes it.

    Example:
        >>> place_module_files({"class": "Net", "module_path": "net.py"}, "/models")["module_path"]
        '/models/net.py'
    """

    def place(file: str) -> str:
        path = Path(file).expanduser()
        beside = Path.cwd() if folder is None else Path(folder).absolute()
        is_here = not (beside / path).exists() and path.absolute().exists()
        return str(path.absolute() if is_here else beside / path)

    return _replace_paths(config, place)


def with_module_names(config: Any) -> Any:
    """A configuration that names each module file as any process imports it.

    Args:
        config: As for :func:`place_module_files`; it is itself the result where it names none.
    """
    return _replace_paths(config, name_module)


def _replace_paths(value: Any, replace: Any) -> Any:
    """A copy as far as something in it is replaced."""
    if isinstance(value, Mapping):
        changed = {
            key: replace(inner)
            if key == _MODULE_PATH and is_module_file(inner)
            else _replace_paths(inner, replace)
            for key, inner in value.items()
        }
        return value if all(changed[key] is value[key] for key in changed) else changed
    if type(value) in (list, tuple):
        items = [_replace_paths(inner, replace) for inner in value]
        is_same = all(new is old for new, old in zip(items, value, strict=True))
        return value if is_same else type(value)(items)
    return value


def _escape(match: re.Match[str]) -> str:
    return "".join(f"_{octet:02X}" for octet in match[0].encode())


class _FileFinder(MetaPathFinder):
    """Finds the modules of this package by their names, which hold the places of their files."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = find_named_file(fullname)
        if file is None or not file.is_file():
            return None
        return importlib.util.spec_from_file_location(fullname, file)


# Python imports this module before any that is named beneath it, whoever asks: a pickle, a worker.
# The finder answers for those alone, so it stays as long as this module does.
sys.meta_path.append(_FileFinder())
