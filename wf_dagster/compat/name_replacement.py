"""Qlib's modules with this project's classes in them: as they are imported, and those that are.

Nothing of Qlib is imported earlier than the script does it: what Qlib's modules hold is replaced
when they have been executed.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from wf_dagster.compat.mirrored_names import mirrored_modules, mirrored_names
from wf_dagster.own_names import own_attribute, replace_names, restore_names

_log = logging.getLogger(__name__)
# what leads here for whoever holds Qlib's own, by the module of Qlib's that it needs
_CONNECTIONS = {
    "qlib.workflow": "wf_dagster.qlib_bridge.recorders",
    "qlib.data.dataset": "wf_dagster.qlib_bridge.shared_handlers",
}


class _Replacement:
    """What is in force from :meth:`install` to :meth:`undo`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._finder = _Finder(self)
        self._replaced: list[tuple[ModuleType, dict[str, Any]]] = []
        self._executing: list[str] = []

    def install(self) -> None:
        with self._lock:
            if self._finder in sys.meta_path:
                return
            sys.meta_path.insert(0, self._finder)
            loaded = [name for name in _hooked_modules() if name in sys.modules]
            for name in loaded:
                self.mend(name, sys.modules.copy())

    def undo(self) -> None:
        with self._lock:
            if self._finder in sys.meta_path:
                sys.meta_path.remove(self._finder)
            while self._replaced:
                restore_names(*self._replaced.pop())
            for name in _CONNECTIONS.values():
                if name in sys.modules:
                    sys.modules[name].uninstall()

    @contextmanager
    def executing(self, name: str) -> Iterator[None]:
        """Around the execution of a module of Qlib's, which is mended when its package is there.

        A package imports modules of its own, which have to find what is Qlib's own in each other.
        """
        self._executing.append(name)
        try:
            yield
        finally:
            self._executing.remove(name)
        if any(name.startswith(f"{package}.") for package in self._executing):
            return
        qlib_modules = {n: m for n, m in sys.modules.items() if n.startswith("qlib.")}
        with self._lock:
            if self._finder in sys.meta_path:
                for loaded in _hooked_modules():
                    if loaded == name or (loaded in qlib_modules and loaded.startswith(f"{name}.")):
                        self.mend(loaded, qlib_modules)

    def mend(self, name: str, holders: Mapping[str, ModuleType]) -> None:
        """Replace what a module holds, in itself and wherever it was imported from there."""
        if name in mirrored_modules():
            module = sys.modules[name]
            values = mirrored_names(name)
            own = {key: own_attribute(module, key) for key in values if hasattr(module, key)}
            self._replace(module, values)
            self._replace_elsewhere({id(own[key]): values[key] for key in own}, holders)
        if name in _CONNECTIONS:
            _connect(_CONNECTIONS[name])

    def _replace_elsewhere(
        self, values: Mapping[int, Any], holders: Mapping[str, ModuleType]
    ) -> None:
        for holder, module in holders.items():
            if holder.partition(".")[0] == "wf_dagster" or not isinstance(module, ModuleType):
                continue
            names = {
                name: values[id(held)]
                for name, held in list(vars(module).items())
                if id(held) in values and values[id(held)] is not held
            }
            if names:
                self._replace(module, names)

    def _replace(self, module: ModuleType, values: dict[str, Any]) -> None:
        replace_names(module, values)
        self._replaced.append((module, values))


class _Finder(MetaPathFinder):
    """Finds Qlib's modules where Python does, and has them mended once they were executed."""

    def __init__(self, replacement: _Replacement) -> None:
        self._replacement = replacement

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _hooked_modules():
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is None or spec.loader is None:
            return None
        execute, replacement = spec.loader.exec_module, self._replacement

        def execute_and_mend(module: ModuleType) -> None:
            with replacement.executing(fullname):
                execute(module)

        # the loader stays what it is: inspect and others read source files with it
        spec.loader.exec_module = execute_and_mend  # type: ignore[method-assign]
        return spec


def _hooked_modules() -> frozenset[str]:
    return mirrored_modules() | _CONNECTIONS.keys()


def _connect(module: str) -> None:
    """Install a connection, unless that module of ours is why Qlib's is being imported.

    Whoever imports it then connects it.
    """
    if module in sys.modules:
        if _is_initializing(sys.modules[module]):
            return
    elif find_spec(module) is None:
        return
    importlib.import_module(module).install()


def _is_initializing(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


_replacement = _Replacement()


def install() -> None:
    """Have Qlib's modules give this project's classes, until :func:`undo`.

    Those that are imported already too, and whatever has imported them from there. Nothing happens
    if it is so already.
    """
    _replacement.install()


def undo() -> None:
    """Give Qlib's modules their own classes back."""
    _replacement.undo()
