"""The bridge to pyqlib, the extra ``qlib``. Nothing here imports Qlib before it is needed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.calendars import TradingCalendar
    from wf_dagster.data.adapters import DatasetAdapter
    from wf_dagster.market import Market
    from wf_dagster.qlib_bridge.qlib_prices import QlibPrices

__all__ = [
    "follow_user",
    "initialised_by_user",
    "is_qlib",
    "make_adapter",
    "names_qlib",
    "preloaded_modules",
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


def preloaded_modules() -> list[str]:
    """The modules that a process imports to train a task of Qlib's."""
    return ["qlib", "wf_dagster.qlib_bridge.recorders", "wf_dagster.qlib_bridge.datasets"]


def make_adapter(
    task: Mapping[str, Any], market: Market, default: DatasetAdapter
) -> DatasetAdapter:
    """The adapter of a task that has to do with Qlib.

    Args:
        task: The task.
        market: As handed down.
        default: What is done with parts that are not Qlib's.

    Raises:
        TaskError: pyqlib is not installed.
    """
    from wf_dagster.qlib_bridge.session import qlib_config

    qlib_config()  # which says what is not installed
    from wf_dagster.qlib_bridge.adapter import QlibAdapter

    return QlibAdapter(task, market, default)


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
