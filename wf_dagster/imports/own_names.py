"""What modules of other packages hold of their own, while names of theirs are replaced.

:mod:`wf_dagster.compat.install` puts this project's classes in the place of Qlib's. What has to do
with Qlib's own, a base class or a class that a task names, asks for it here, so that it gets the
same whether that is so or not, in this process and in a worker.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

# kept in the module itself: one that is imported anew has nothing replaced
_KEY = "__wf_dagster_own_names__"
_NOTHING = object()


def own_name(module: str, name: str) -> Any:
    """What a module itself holds under a name, whatever has been put in its place.

    Raises:
        ImportError: The module is not there.
        AttributeError: It has no such name.
    """
    return own_attribute(importlib.import_module(module), name)


def own_attribute(module: ModuleType, name: str) -> Any:
    """As :func:`own_name`, of a module that is imported."""
    own = vars(module).get(_KEY, {}).get(name, _NOTHING)
    return getattr(module, name) if own is _NOTHING else own


def replace_names(module: ModuleType, values: Mapping[str, Any]) -> None:
    """Put something in the place of what a module holds, until :func:`restore_names`."""
    names = vars(module)
    own = names.setdefault(_KEY, {})
    for name, value in values.items():
        own.setdefault(name, names.get(name, _NOTHING))
        names[name] = value


def restore_names(module: ModuleType, values: Mapping[str, Any]) -> None:
    """Put back what :func:`replace_names` has replaced, where the value is still the same."""
    names = vars(module)
    own = names.get(_KEY, {})
    for name, value in values.items():
        if names.get(name) is not value or name not in own:
            continue  # somebody has put something else there since
        before = own.pop(name)
        if before is _NOTHING:
            del names[name]
        else:
            names[name] = before
    if not own:
        names.pop(_KEY, None)
