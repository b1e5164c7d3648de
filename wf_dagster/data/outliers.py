"""Processors for extreme values: infinite ones, and those far out in the tails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.data.processor import Processor, days_of, sum_by_day
from wf_dagster.errors import TaskError


class ProcessInf(Processor):
    """Put the mean of that day's finite values of the column where a value is infinite.

    Where it is the first of ``infer_processors``, the data keep their infinite values for it;
    everywhere else they are missing from the start. A day without a finite value gets none.

    Formula: Qlib's processor of that name.
    """

    takes_infinite = True

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Replace; days look at themselves alone."""
        values = self._values(frame)
        infinite = np.isinf(values)
        if not infinite.any():
            return frame
        day, counts = days_of(frame)
        is_finite = np.isfinite(values)
        count = sum_by_day(is_finite.astype(float), counts)
        with np.errstate(invalid="ignore"):
            mean = sum_by_day(np.where(is_finite, values, 0.0), counts) / count
        return self._replace(frame, np.where(infinite, mean[day], values))


class Winsorize(Processor):
    """Move what is beyond two quantiles to them.

    Where it is the first of ``infer_processors``, an infinite value moves to the quantile on its
    side; everywhere else it is missing from the start. Quantiles are those of the finite values,
    interpolated linearly.

    Args:
        fields_group: As in :class:`Processor`; default the features.
        lower: The lower quantile, a fraction.
        upper: The upper quantile, a fraction.
        per_day: Quantiles of each day; otherwise those of the train segment, for all days.

    Raises:
        TaskError: They are not ``0 <= lower < upper <= 1``.
    """

    takes_infinite = True

    def __init__(
        self,
        fields_group: str | None = "feature",
        lower: float = 0.01,
        upper: float = 0.99,
        per_day: bool = True,
    ) -> None:
        super().__init__(fields_group)
        if not 0 <= lower < upper <= 1:
            raise TaskError(
                f"Winsorize: lower={lower!r} and upper={upper!r} are no two quantiles: use "
                "0 <= lower < upper <= 1, such as 0.01 and 0.99"
            )
        self.lower = lower
        self.upper = upper
        self.per_day = per_day
        self.limits: np.ndarray[Any, Any] | None = None

    def fit(self, frame: pd.DataFrame) -> None:
        """Take the quantiles of each column."""
        if not self.per_day:
            self.limits = _quantiles(self._values(frame), (self.lower, self.upper))

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Limit each column; what is missing stays missing."""
        values = self._values(frame)
        if not self.per_day:
            assert self.limits is not None, "fit comes first"
            return self._replace(frame, np.clip(values, *self.limits))
        limited = np.empty_like(values)
        ends = np.cumsum(days_of(frame)[1])
        for start, end in zip(np.r_[0, ends[:-1]], ends, strict=True):
            block = values[start:end]
            limited[start:end] = np.clip(block, *_quantiles(block, (self.lower, self.upper)))
        return self._replace(frame, limited)


def _quantiles(values: np.ndarray[Any, Any], shares: tuple[float, float]) -> np.ndarray[Any, Any]:
    """Quantiles of the finite values of each column, NaN where there are none.

    Shape ``(2, columns)``. All columns at once: NumPy's own takes them one by one where some values
    are missing.
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=0)  # NaN comes last
    count = np.isfinite(values).sum(axis=0)
    column = np.arange(values.shape[1])
    limits = []
    for share in shares:
        place = share * np.maximum(count - 1, 0)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        below, above = ordered[low, column], ordered[high, column]
        limits.append(below + (above - below) * (place - low))
    return np.array(limits)
