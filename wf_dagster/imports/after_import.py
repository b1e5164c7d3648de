"""What is to happen as soon as a module is imported, by whoever imports it.

Beside :mod:`wf_dagster.process`, and in its way: what is put in front of Python's own finders says
why, and is taken out again.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from wf_dagster.imports.own_names import own_attribute

_log = logging.getLogger(__name__)
_executing: dict[str, list[Callable[[], object]]] = {}  # modules, and what is called after them


def call_after_import(module: str, function: Callable[[], object]) -> Callable[[], None]:
    """Call a function once a module has been imported, now if it is there already.

    Importing it here would cost seconds in every process that never needs it.

    Args:
        module: Its full name.
        function: Called each time its code has run, before the import gives it to anybody.

    Returns:
        Watches for it no more.
    """
    if module in sys.modules:
        if module in _executing:  # by a loader below, which is not through with it
            _executing[module].append(function)
            return lambda: _withdraw(module, function)
        importlib.import_module(module)  # waits for another thread that is importing it
        function()
        return lambda: None
    return call_after_imports([module], lambda _: function())


def call_after_imports(
    modules: Collection[str], function: Callable[[str], object]
) -> Callable[[], None]:
    """Call a function with the name of each module that is imported from now on.

    Args:
        modules: Their full names.
        function: Called each time the code of one has run, before the import gives it to anybody.

    Returns:
        Watches for them no more.
    """
    finder = _AfterImport(modules, function)
    sys.meta_path.insert(0, finder)

    def undo() -> None:
        with suppress(ValueError):
            sys.meta_path.remove(finder)

    return undo


class OpenBase:
    """A base of classes that get another one later: Python allows none to those without a base."""


def add_base_after_import(own: type, module: str, name: str) -> None:
    """Let a class be one of another package's too, as soon as that is imported.

    For ``isinstance``, ``issubclass`` and ``except`` in code of that package, which knows nothing
    else. What both define stays that of this project's class. It cannot be undone: objects of the
    class live on.

    Args:
        own: The class, which has a base other than ``object``.
        module: The other package's module.
        name: Its class there.
    """

    def add() -> None:
        other = own_attribute(sys.modules[module], name)
        if issubclass(own, other):
            return
        try:
            own.__bases__ = (*own.__bases__, other)
        except TypeError as error:  # a user's class has both as its bases, the other one first
            _log.warning("%s does not count as %s.%s: %s", own.__name__, module, name, error)

    call_after_import(module, add)


class _AfterImport(MetaPathFinder):
    """Finds modules where the finders after it find them, with loaders that also call."""

    def __init__(self, modules: Collection[str], function: Callable[[str], object]) -> None:
        self._modules = frozenset(modules)
        self._function = function

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._modules or self not in sys.meta_path:
            return None
        # those before this one have been asked; another watcher of this module comes after it
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _CallingLoader(spec.loader, partial(self._function, name))
                return spec
        return None


class _CallingLoader(Loader):
    """Loads as another loader does, gives its place back to it, and calls."""

    def __init__(self, loader: Any, function: Callable[[], object]) -> None:
        self._loader = loader
        self._function = function

    def __getattr__(self, name: str) -> Any:
        """What else the loader offers: its source for ``inspect``, its code for ``python -m``."""
        if name == "_loader":  # while it is copied
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        name, is_outermost = module.__name__, module.__name__ not in _executing
        waiting = _executing.setdefault(name, [])
        try:
            self._loader.exec_module(module)
            self._function()
        finally:
            if is_outermost:
                del _executing[name]
        if is_outermost:
            for function in waiting:
                function()


def _withdraw(module: str, function: Callable[[], object]) -> None:
    with suppress(KeyError, ValueError):
        _executing[module].remove(function)
