"""The bridge to pyqlib, the extra ``qlib``. Nothing here imports Qlib before it is needed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from wf_dagster.settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.calendars import TradingCalendar
    from wf_dagster.qlib_bridge.qlib_prices import QlibPrices

__all__ = [
    "as_frames",
    "follow_user",
    "has_qlibs_dataset",
    "in_use",
    "initialised_by_user",
    "is_qlib",
    "modules",
    "names_qlib",
    "prepare",
    "qlib_calendar",
    "qlib_prices",
    "qlib_sessions",
]


def names_qlib(task: Any) -> bool:
    """Whether a task, or a part of one, names something of Qlib's."""
    from wf_dagster.tasks import modules_named

    return any(module.partition(".")[0] == "qlib" for module in modules_named(task))


def is_qlib(kind: Any) -> bool:
    """Whether a class is one of Qlib's, or derived from one."""
    return isinstance(kind, type) and any(
        base.__module__.partition(".")[0] == "qlib" for base in kind.__mro__
    )


def has_qlibs_dataset(task: Mapping[str, Any]) -> bool:
    """Whether a task's data are Qlib's: its dataset is a class of Qlib's, or derived from one.

    Raises:
        TaskError: The class cannot be found.
    """
    from wf_dagster.tasks.config import find_class

    dataset = task["dataset"]
    if not isinstance(dataset, (str, Mapping)):
        return is_qlib(type(dataset))
    return is_qlib(find_class(dataset, where="dataset"))


def as_frames(dataset: Any) -> AbstractContextManager[Any]:
    """Inside the block a dataset of Qlib's that samples windows gives frames, as Qlib has it."""
    if not is_qlib(type(dataset)):
        return nullcontext()
    from wf_dagster.qlib_bridge.datasets import casting

    return casting(dataset)


def in_use() -> bool:
    """Whether the settings name Qlib's data, or this process has called ``qlib.init``."""
    settings = get_settings()
    if settings.qlib_provider_uri or settings.qlib_options.get("provider_uri"):
        return True
    return initialised_by_user()


def follow_user() -> None:
    """Take over into the settings what the user's own ``qlib.init`` said, if it was called."""
    if initialised_by_user():
        from wf_dagster.qlib_bridge.session import ensure

        ensure()


def initialised_by_user() -> bool:
    """Whether the user's own ``qlib.init`` is in force in this process."""
    if "qlib.config" not in sys.modules:
        return False
    from wf_dagster.qlib_bridge import session

    return session.initialised_by_user()


def prepare(task: Mapping[str, Any]) -> None:
    """Initialise Qlib in this process, if a task needs it or the settings say so.

    Raises:
        TaskError: The task names a class of Qlib's, and pyqlib is not installed.
        SettingsError: The settings name data that are not there, or arguments that are wrong.
    """
    if names_qlib(task) or in_use():
        from wf_dagster.qlib_bridge.session import ensure

        ensure()


def modules(task: Mapping[str, Any]) -> list[str]:
    """The modules that a process imports to train a task of Qlib's."""
    if not names_qlib(task):
        return []
    return ["qlib", "wf_dagster.qlib_bridge.recorders", "wf_dagster.qlib_bridge.datasets"]


def qlib_calendar(as_of: Any = None) -> TradingCalendar:
    """Qlib's daily calendar, future sessions included, with data up to its last day.

    Args:
        as_of: Replay date: data end there.

    Raises:
        CalendarError: The provider has no daily calendar.
        SettingsError: The settings name data that are not there.
    """
    from wf_dagster.qlib_bridge.calendar import read_calendar

    return read_calendar(as_of)


def qlib_sessions() -> pd.DatetimeIndex:
    """The sessions of which Qlib has data, those that a replay date hides too.

    Raises:
        CalendarError: The provider has no daily calendar.
        SettingsError: The settings name data that are not there.
    """
    from wf_dagster.qlib_bridge.calendar import known_sessions

    return known_sessions()


def qlib_prices(as_of: Any = None) -> QlibPrices:
    """Qlib's data as a price source.

    Args:
        as_of: Replay date: later rows are hidden.

    Raises:
        TaskError: pyqlib is not installed.
        SettingsError: The settings name data that are not there.
    """
    from wf_dagster.qlib_bridge.qlib_prices import QlibPrices

    return QlibPrices(as_of)
