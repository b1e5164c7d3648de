"""The modules whose code a task runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from wf_dagster.imports.module_files import is_module_file, name_module
from wf_dagster.safe_pickle import MAIN

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


def modules_named(task: Mapping[str, Any]) -> list[str]:
    """Modules of the classes and functions that a task definition names, sorted.

    Whatever looks like a dotted path counts, so some may not exist.

    Example:
        >>> modules_named({"model": "sklearn.linear_model.Ridge", "dataset": {"class": dict}})
        ['builtins', 'sklearn.linear_model']
    """
    return sorted(set(_modules(task)))


def _modules(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("module_path"), str):
            module = value["module_path"]
            yield name_module(module) if is_module_file(module) else module
        for key, inner in value.items():
            if not (key == "module_path" and is_module_file(inner)):
                yield from _modules(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _modules(inner)
    elif isinstance(value, str) and _DOTTED.fullmatch(value):
        yield value.rpartition(".")[0]
    elif isinstance(value, type) or inspect.isfunction(value):
        yield value.__module__
    elif type(value).__module__ in MAIN:  # a ready object of a class of the notebook or script
        yield type(value).__module__
