"""Qlib's modules with this project's classes in them: as they are imported, and those that are.

Nothing of Qlib is imported earlier than the script does it: what Qlib's modules hold is replaced
when they have been executed.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from wf_dagster.compat.mirrored_names import mirrored_modules, mirrored_names
from wf_dagster.imports.after_import import call_after_imports
from wf_dagster.imports.own_names import own_attribute, own_name, replace_names, restore_names

# what leads here for whoever holds Qlib's own, by the module of Qlib's that it needs
_CONNECTIONS = {
    "qlib.workflow": "wf_dagster.qlib_bridge.recorders",
    "qlib.data.dataset": "wf_dagster.qlib_bridge.shared_handlers",
}

# Qlib's own records, which a task may name, go on measuring with Qlib's functions
_RECORDS = "qlib.workflow.record_temp"

# held while names are replaced, never while something is imported: another thread may hold what
# an import waits for, and wait for this
_lock = threading.RLock()
_stop_watching: Callable[[], None] | None = None  # while it is installed
_replaced: list[tuple[ModuleType, dict[str, Any]]] = []
_own: dict[int, tuple[Any, Any]] = {}  # by the id of ours: ours, and what it took the place of


def install() -> None:
    """Have Qlib's modules give this project's classes, until :func:`undo`.

    Those that are imported already too, and whatever has imported them from there. Nothing happens
    if it is so already.
    """
    global _stop_watching
    watched = mirrored_modules() | _CONNECTIONS.keys()
    with _lock:
        if _stop_watching is not None:
            return
        _stop_watching = call_after_imports(watched, _mend_imported)
    for name in sorted(watched & sys.modules.keys()):
        _mend(name, sys.modules.copy())


def undo() -> None:
    """Give Qlib's modules their own classes back; nothing happens if they have them."""
    global _stop_watching
    with _lock:
        if _stop_watching is None:
            return
        _stop_watching()
        _stop_watching = None
        while _replaced:
            restore_names(*_replaced.pop())
        _restore_imported()
        for name in _CONNECTIONS.values():
            if name in sys.modules:
                sys.modules[name].uninstall()
        _register_recorder()


def _mend_imported(name: str) -> None:
    """Mend a module that has just been executed, unless its package still is: then with that.

    A package imports modules of its own, which have to find what is Qlib's own in each other.
    """
    parts = name.split(".")
    packages = (".".join(parts[:length]) for length in range(1, len(parts)))
    if any(_is_initializing(package) for package in packages):
        return
    qlib_modules = {n: module for n, module in sys.modules.items() if n.startswith("qlib.")}
    below = (n for n in qlib_modules if n.startswith(f"{name}."))
    for loaded in [name, *sorted(mirrored_modules().intersection(below))]:
        _mend(loaded, qlib_modules)


def _mend(name: str, holders: Mapping[str, ModuleType]) -> None:
    """Replace what a module holds, in itself and wherever it was imported from there."""
    if name in mirrored_modules():
        values = mirrored_names(name)
        module = sys.modules[name]
        own = {key: own_attribute(module, key) for key in values if hasattr(module, key)}
        with _lock:
            if _stop_watching is None:
                return  # undone meanwhile
            _own.update({id(values[key]): (values[key], value) for key, value in own.items()})
            if name == _RECORDS:
                _restore_own(module)
            _replace(module, values)
            _replace_elsewhere({id(own[key]): values[key] for key in own}, holders)
    if name in _CONNECTIONS:
        _connect(_CONNECTIONS[name])


def _replace_elsewhere(values: Mapping[int, Any], holders: Mapping[str, ModuleType]) -> None:
    for holder, module in holders.items():
        if holder.partition(".")[0] == "wf_dagster" or not isinstance(module, ModuleType):
            continue
        if holder == _RECORDS:
            continue
        names = {
            name: values[id(held)]
            for name, held in list(vars(module).items())
            if id(held) in values and values[id(held)] is not held
        }
        if names:
            _replace(module, names)


def _restore_imported() -> None:
    """Give Qlib's modules that were imported meanwhile Qlib's own, in place of what they got."""
    for name, module in list(sys.modules.items()):
        if name.startswith("qlib."):
            _restore_own(module)
    _own.clear()


def _restore_own(module: ModuleType) -> None:
    names = vars(module)
    names.update({n: _own[id(v)][1] for n, v in list(names.items()) if id(v) in _own})


def _replace(module: ModuleType, values: dict[str, Any]) -> None:
    replace_names(module, values)
    _replaced.append((module, values))


def _connect(module: str) -> None:
    """Install a connection, unless that module of ours is why Qlib's is being imported.

    Whoever imports it then connects it.
    """
    if not _is_initializing(module):
        importlib.import_module(module).install()


def _is_initializing(module: str) -> bool:
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def _register_recorder() -> None:
    """Register the recorder that a ``qlib.init`` would have registered but for this project."""
    if "qlib.workflow" not in sys.modules:
        return
    config, recorder = own_name("qlib.config", "C"), own_name("qlib.workflow", "R")
    if config.get("_registered") and recorder._provider is None:
        make = own_name("qlib.utils", "init_instance_by_config")
        manager = make(config["exp_manager"])
        recorder.register(own_name("qlib.workflow", "QlibRecorder")(manager))
