"""Where classes were when earlier versions wrote their names into pickles and fingerprints.

Homes outlive the layout of this package: a pickle that names a former module is read from the
present one, and a class counts in fingerprints under the module that it had first. A script that
imports a public name from where it was gets it, and is told where it is.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

# former modules by present ones; a package, with a dot at its end, stands for all in it
_FORMER = {
    "wf_dagster.online.online_state": "wf_dagster.online.state",
    "wf_dagster.online.online_tool": "wf_dagster.online.tool",
    "wf_dagster.online.rolling_strategy": "wf_dagster.online.strategy",
    "wf_dagster.online.updaters": "wf_dagster.online.update",
    "wf_dagster.pool.": "wf_dagster.tasks.pool.",
    "wf_dagster.prices.": "wf_dagster.data.sources.",
    "wf_dagster.qlib_bridge.qlib_prices": "wf_dagster.interop.prices",
    "wf_dagster.rolling.generators": "wf_dagster.tasks.generators",
    "wf_dagster.rolling.handler_dates": "wf_dagster.tasks.handlers",
    "wf_dagster.rolling.horizons": "wf_dagster.tasks.horizons",
    "wf_dagster.rolling.rolling_gen": "wf_dagster.tasks.rolling",
    "wf_dagster.rolling.rolls": "wf_dagster.tasks.rolls",
    "wf_dagster.tracking.experiment_manager": "wf_dagster.tracking.manager",
}
# public names that scripts import from where they were
_MOVED_NAMES = {("wf_dagster.calendars", "default_calendar"): "wf_dagster.market"}
_PRESENT = {former: present for present, former in _FORMER.items()}


def find_present_module(module: str) -> str:
    """The module that now holds what was in a former one; any other as it is.

    Example:
        >>> find_present_module("wf_dagster.data.sources.files")
        'wf_dagster.prices.files'
    """
    return _look_up(module, _PRESENT)


def find_former_module(module: str) -> str:
    """The module that first held what is in a present one; any other as it is.

    Example:
        >>> find_former_module("wf_dagster.prices.files")
        'wf_dagster.data.sources.files'
    """
    return _look_up(module, _FORMER)


def find_moved_name(module: str, name: str) -> Any:
    """What a module no longer holds under a public name, from the module that now does.

    Raises:
        AttributeError: It never held that name.
    """
    present = _MOVED_NAMES.get((module, name))
    if present is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    warnings.warn(
        f"{name} is now in {present}: import it from there", DeprecationWarning, stacklevel=3
    )
    return getattr(import_module(present), name)


def _look_up(module: str, table: dict[str, str]) -> str:
    if module in table:
        return table[module]
    for package, other in table.items():
        if package.endswith(".") and module.startswith(package):
            return other + module[len(package) :]
    return module
