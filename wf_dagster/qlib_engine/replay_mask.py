"""Qlib's data as a replay date shows them: no later row, and no value that needed one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from qlib.data import D
from qlib.data.data import ExpressionD
from qlib.data.dataset.loader import DataLoader, QlibDataLoader

from wf_dagster.calendars import to_day
from wf_dagster.settings import get_settings

_log = logging.getLogger(__name__)


def replay_date() -> pd.Timestamp | None:
    """The moment after which rows are hidden; ``None`` when nothing is."""
    date = get_settings().replay_date()
    return to_day(date) + pd.Timedelta(days=1) - pd.Timedelta(1, "ns") if date else None


class HidingLoader(DataLoader):  # type: ignore[misc]
    """Stands for any loader of Qlib's while a handler is set up under a replay date."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # while it is copied
            raise AttributeError(name)
        return getattr(self._inner, name)

    def load(
        self, instruments: Any = None, start_time: Any = None, end_time: Any = None
    ) -> pd.DataFrame:
        """What the loader gives, without what a replay date hides."""
        return hide(self._inner.load(instruments, start_time, no_later(end_time)), self._inner)


def no_later(end_time: Any) -> Any:
    """An end of data that is not after the replay date."""
    date = replay_date()
    if date is None:
        return end_time
    return date if end_time is None else min(pd.Timestamp(end_time), date)


def hide(frame: pd.DataFrame, loader: Any) -> pd.DataFrame:
    """Rows up to the replay date; ``NaN`` where an expression needed a later one.

    Args:
        frame: Rows ``(datetime, instrument)``, as the loader gave them; it may be changed.
        loader: Says how far its expressions look ahead. What another loader's columns need is not
            known: they stay, with a warning.
    """
    date = replay_date()
    if date is None:
        return frame
    days = frame.index.get_level_values("datetime")
    if len(days) and days.max() > date:
        kept = np.asarray(days <= date)
        frame, days = frame[kept], days[kept]
    if not isinstance(loader, QlibDataLoader):
        _log.warning(
            "a %s does not say which of its columns look ahead: up to the replay date %s they "
            "hold what was known later",
            type(loader).__name__,
            f"{date:%Y-%m-%d}",
        )
        return frame
    for columns, sessions, freq in _looking_ahead(loader):
        known = pd.DatetimeIndex(D.calendar(end_time=date, freq=freq))
        unknown = np.asarray(days.isin(known[-sessions:]))
        if unknown.any():
            frame.loc[unknown, columns] = np.nan
    return frame


def _looking_ahead(loader: Any) -> list[tuple[list[Any], int, str]]:
    """Columns, how many steps of a frequency they look ahead, and the frequency."""
    groups = loader.fields.items() if loader.is_group else [(None, loader.fields)]
    found: dict[tuple[int, str], list[Any]] = {}
    for group, (expressions, names) in groups:
        freq = loader.freq[group] if isinstance(loader.freq, Mapping) else loader.freq
        for expression, name in zip(expressions, names, strict=True):
            _, ahead = ExpressionD.get_expression_instance(
                str(expression)
            ).get_extended_window_size()
            if ahead > 0:
                column = name if group is None else (group, name)
                found.setdefault((int(ahead), str(freq)), []).append(column)
    return [(columns, ahead, freq) for (ahead, freq), columns in found.items()]
