"""What a processor is, and sums by day that several of them take."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import TaskError


class Processor(abc.ABC):
    """One step between raw columns and what a model sees.

    Frames have rows ``(datetime, instrument)`` and columns ``("feature", name)`` and
    ``("label", name)``.

    Args:
        fields_group: ``"feature"``, ``"label"``, or ``None`` for all columns.
    """

    #: Whether it is given infinite values, where it comes first, instead of missing ones.
    takes_infinite = False

    def __init__(self, fields_group: str | None = None) -> None:
        if fields_group not in (None, "feature", "label"):
            raise TaskError(
                f"{type(self).__name__}: fields_group {fields_group!r} is unknown: use 'feature' "
                "or 'label'"
            )
        self.fields_group = fields_group

    def fit(self, frame: pd.DataFrame) -> None:  # noqa: B027  # most need nothing
        """Learn what the processor needs from the train segment."""

    @abc.abstractmethod
    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The processed frame; the given one may be changed."""

    def is_for_infer(self) -> bool:
        """Whether it can be used when labels are not known."""
        return True

    def _place(self, frame: pd.DataFrame) -> Any:
        """The positions of the group's columns; a slice where it can be, which copies less."""
        if self.fields_group is None:
            return slice(None)
        places = np.flatnonzero(frame.columns.get_level_values(0) == self.fields_group)
        if len(places) and places[-1] - places[0] + 1 == len(places):
            return slice(places[0], places[-1] + 1)
        return places

    def _replace(self, frame: pd.DataFrame, values: np.ndarray[Any, Any]) -> pd.DataFrame:
        whole = frame.to_numpy(copy=True)
        whole[:, self._place(frame)] = values
        return pd.DataFrame(whole, index=frame.index, columns=frame.columns)

    def _values(self, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
        return frame.to_numpy()[:, self._place(frame)]


class GroupProcessor(Processor):
    """A processor that also takes a field of the prices, such as the industry of each row.

    Args:
        group: The field: a column of the prices, text or numbers.
        fields_group: As in :class:`Processor`.
    """

    def __init__(self, group: str, fields_group: str | None = "feature") -> None:
        super().__init__(fields_group)
        self.group = group

    @abc.abstractmethod
    def __call__(self, frame: pd.DataFrame, groups: pd.Series | None = None) -> pd.DataFrame:
        """The processed frame; the given one may be changed.

        Args:
            frame: As in :class:`Processor`.
            groups: The field at the rows of the frame.
        """


def days_of(frame: pd.DataFrame) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The day of each row as a number from 0 on, and the number of rows of each day."""
    days = frame.index.get_level_values("datetime").to_numpy()
    starts = np.r_[True, days[1:] != days[:-1]] if len(days) else np.zeros(0, dtype=bool)
    day = np.cumsum(starts) - 1
    return day, np.bincount(day) if len(days) else np.zeros(0, dtype=int)


def sum_by_day(values: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The sum of each day and column; ``counts`` are the rows of each day."""
    if len(counts) == 0:
        return np.zeros((0, values.shape[1]))
    sums: np.ndarray[Any, Any] = np.add.reduceat(values, np.cumsum(counts) - counts, axis=0)
    return sums
