"""Which modules of Qlib have a counterpart in :mod:`wf_dagster.compat.qlib`, and what it holds."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from wf_dagster.extras import require_extra
from wf_dagster.imports.own_names import own_name

MIRROR = "wf_dagster.compat.qlib"
_FOLDER = Path(__file__).with_name("qlib")


@cache
def mirrored_modules() -> frozenset[str]:
    """Names of Qlib's modules that have a counterpart here; nothing is imported."""
    files = (path.relative_to(_FOLDER).with_suffix("") for path in _FOLDER.rglob("*.py"))
    parts = (file.parts[:-1] if file.name == "__init__" else file.parts for file in files)
    return frozenset(".".join(("qlib", *names)) for names in parts)


def mirrored_names(module: str) -> dict[str, Any]:
    """What takes the place of names of one of Qlib's modules: all that its counterpart exports."""
    mirror = importlib.import_module(f"{MIRROR}{module.removeprefix('qlib')}")
    return {name: getattr(mirror, name) for name in mirror.__all__}


def qlib_names(mirror: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a counterpart: what this project has none of is Qlib's own.

    Args:
        mirror: Its ``__name__``.
    """
    module = f"qlib{mirror.removeprefix(MIRROR)}"

    def load(name: str) -> Any:
        if name.startswith("__"):  # what the import system and inspect ask every module for
            raise AttributeError(f"module {mirror!r} has no attribute {name!r}")
        require_extra("qlib", f"{module}.{name}")
        return own_name(module, name)

    return load
