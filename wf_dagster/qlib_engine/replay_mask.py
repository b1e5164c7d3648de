"""Qlib's data as a replay date shows them: no later row, and no value that needed one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from qlib.data import D
from qlib.data.data import ExpressionD
from qlib.data.dataset.loader import DataLoader, QlibDataLoader

from wf_dagster.calendars import to_day
from wf_dagster.qlib_engine.expression_reach import count_open, measure_reach

_log = logging.getLogger(__name__)


def last_moment(as_of: Any) -> pd.Timestamp | None:
    """The moment after which a replay date hides rows; ``None`` when nothing is hidden."""
    if as_of is None:
        return None
    return to_day(as_of) + pd.Timedelta(days=1) - pd.Timedelta(1, "ns")


class HidingLoader(DataLoader):  # type: ignore[misc]
    """Stands for any loader of Qlib's while a handler is set up under a replay date.

    Args:
        inner: The loader.
        as_of: The replay date.
    """

    def __init__(self, inner: Any, as_of: Any) -> None:
        self._inner = inner
        self._as_of = as_of

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # while it is copied
            raise AttributeError(name)
        return getattr(self._inner, name)

    def load(
        self, instruments: Any = None, start_time: Any = None, end_time: Any = None
    ) -> pd.DataFrame:
        """What the loader gives, without what a replay date hides."""
        end_time = limit_end(end_time, self._as_of)
        return hide(self._inner.load(instruments, start_time, end_time), self._inner, self._as_of)


def limit_end(end_time: Any, as_of: Any) -> Any:
    """An end of data that is not after a replay date."""
    moment = last_moment(as_of)
    if moment is None:
        return end_time
    return moment if end_time is None else min(pd.Timestamp(end_time), moment)


def hide(frame: pd.DataFrame, loader: Any, as_of: Any) -> pd.DataFrame:
    """Rows up to the replay date; ``NaN`` where an expression needed a later one.

    Args:
        frame: Rows ``(datetime, instrument)``, as the loader gave them; it may be changed.
        loader: Says how far its expressions look ahead. What another loader's columns need is not
            known: they stay, with a warning.
        as_of: The replay date; ``None`` hides nothing.
    """
    moment = last_moment(as_of)
    if moment is None:
        return frame
    days = frame.index.get_level_values("datetime")
    if len(days) and days.max() > moment:
        is_visible = np.asarray(days <= moment)
        frame, days = frame[is_visible], days[is_visible]
    if not isinstance(loader, QlibDataLoader):
        _log.warning(
            "a %s does not say which of its columns look ahead: up to the replay date %s they "
            "hold what was known later",
            type(loader).__name__,
            f"{moment:%Y-%m-%d}",
        )
        return frame
    for columns, sessions, freq in columns_looking_ahead(loader, count_open):
        calendar = pd.DatetimeIndex(D.calendar(end_time=moment, freq=freq))
        is_unknown = np.asarray(days.isin(calendar[-sessions:]))
        if is_unknown.any():
            frame.loc[is_unknown, columns] = np.nan
    return frame


def columns_looking_ahead(
    loader: Any, measure: Callable[[Any], int] = measure_reach
) -> list[tuple[list[Any], int, str]]:
    """Columns, how many steps of a frequency they look ahead, and the frequency.

    Args:
        loader: Has the expressions.
        measure: Tells of an expression how many they are; columns with none are left out.
    """
    groups = loader.fields.items() if loader.is_group else [(None, loader.fields)]
    columns: dict[tuple[int, str], list[Any]] = {}
    for group, (expressions, names) in groups:
        freq = loader.freq[group] if isinstance(loader.freq, Mapping) else loader.freq
        for expression, name in zip(expressions, names, strict=True):
            ahead = measure(ExpressionD.get_expression_instance(str(expression)))
            if ahead > 0:
                column = name if group is None else (group, name)
                columns.setdefault((ahead, str(freq)), []).append(column)
    return [(names, ahead, freq) for (ahead, freq), names in columns.items()]
