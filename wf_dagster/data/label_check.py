"""When labels were known, measured with the functions that compute them.

The labels that a model learns from are computed again from prices that end with the first test
session. One that is missing then, or is another one, was known later: whatever its function does,
and whatever sessions and gaps the prices have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from wf_dagster.data.panel import Panel, column_functions
from wf_dagster.moments import Moments, format_moment, rows_between
from wf_dagster.tasks.late_labels import LateLabels, segments_before_test

_WINDOW = 64  # sessions before the last label that is learned from: what is late is among them
_log = logging.getLogger(__name__)
Values = np.ndarray[Any, Any]


def find_late_labels(panel: Panel, label: Any, segments: Any) -> LateLabels | None:
    """The labels before the test segment that were not known when its first session had closed.

    Args:
        panel: The features and labels of all prices.
        label: The definition that its labels were computed with.
        segments: Of the dataset.

    Returns:
        ``None`` if there are none, if there is no test segment, or if no session follows its first.
    """
    parts = segments_before_test(segments)
    if parts is None or panel.source is None:
        return None
    before, test_start = parts
    sessions = pd.DatetimeIndex(panel.index.levels[0])
    last: Any = panel.index[-1][0]  # the levels may hold days that a replay date hides
    sessions = sessions[: int(sessions.searchsorted(last, "right"))]
    moments = Moments.of(sessions)
    place = moments.position(test_start)
    ends = [moments.position(end, "end") for _, end in before.values()]
    if place + 1 >= len(sessions) or not ends:
        return None
    check = _LabelCheck(panel, column_functions(label, "label"), sessions, place)
    first = max(max(ends) - _WINDOW, 0)
    windows = [sessions[first]] if first else []
    for start in [*windows, sessions[0]]:  # a label may need more of the past than a window
        try:
            late, checked = check.find_late(start, before)
            if late.empty:
                return None
            known_on = check.find_known_on(start, late.index[0])
        except Exception as error:  # a function of the user's may raise anything
            if start > sessions[0]:
                continue
            _log.warning(
                "whether labels were known before %s is not known: they cannot be computed from "
                "the prices up to that day alone (%s: %s)",
                format_moment(sessions[place]),
                type(error).__name__,
                error,
            )
            return None
        if known_on is not None or start == sessions[0]:
            return check.describe(late, checked, known_on, before)
    return None


@dataclass(frozen=True)
class _LabelCheck:
    """The labels of one panel, computed again from less prices.

    Attributes:
        panel: The panel.
        functions: What computes the labels.
        sessions: Those of the panel.
        opening: Place of the first test session among them.
    """

    panel: Panel
    functions: Sequence[Callable[[pd.DataFrame], pd.DataFrame]]
    sessions: pd.DatetimeIndex
    opening: int

    def find_late(self, start: pd.Timestamp, segments: Any) -> tuple[pd.Series[bool], int]:
        """The rows of segments, from a date on, whose label was not known; and how many have one.

        Args:
            start: Prices before it are left out.
            segments: Pairs of dates.
        """
        whole = self._known(start, self.sessions[self.opening])
        cut = self._computed(start, self.sessions[self.opening]).reindex(whole.index)
        is_learned = np.zeros(len(whole), dtype=bool)
        for first, last in segments.values():
            is_learned[rows_between(whole.index, first, last)] = True
        has_label = ~np.isnan(whole.to_numpy())
        is_late = (has_label & ~_same(whole.to_numpy(), cut.to_numpy())).any(axis=1) & is_learned
        late = pd.Series(True, index=whole.index[is_late])
        return late, int((has_label.any(axis=1) & is_learned).sum())

    def find_known_on(self, start: pd.Timestamp, row: Any) -> pd.Timestamp | None:
        """The first session whose prices give a row the label that all prices give it.

        Args:
            start: Prices before it are left out.
            row: A row whose label is late.
        """
        target = self._known(row[0], row[0]).loc[[row]].to_numpy()

        def is_known(place: int) -> bool:
            labels = self._computed(start, self.sessions[place]).loc[[row]].to_numpy()
            return bool((_same(target, labels) | np.isnan(target)).all())

        late, step, last = self.opening, 1, len(self.sessions) - 1
        while not is_known(known := min(late + step, last)):
            if known == last:
                return None
            late, step = known, 2 * step
        while known - late > 1:
            middle = (late + known) // 2
            late, known = (late, middle) if is_known(middle) else (middle, known)
        return self.sessions[known]

    def describe(
        self,
        late: pd.Series[bool],
        checked: int,
        known_on: pd.Timestamp | None,
        segments: Any,
    ) -> LateLabels:
        """The first of the late rows, and how far it is from the test segment."""
        day, instrument = late.index[0]
        moments, place = Moments.of(self.sessions), int(self.sessions.searchsorted(day))
        ranges = {name: moments.range(*segment) for name, segment in segments.items()}
        return LateLabels(
            segment=next(name for name, r in ranges.items() if r.start <= place < r.stop),
            row=f"{instrument} on {format_moment(day)}",
            known_on=known_on,
            test_open=self.sessions[self.opening],
            late=len(late),
            checked=checked,
            trunc_days=self.opening - place + 1,
        )

    def _known(self, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        return cast(pd.DataFrame, self.panel.slice(start, end)["label"])

    def _computed(self, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        assert self.panel.source is not None
        names = self.panel.universe.names
        prices = self.panel.source.load(instruments=names, start=start, end=end)
        later = int(prices.index.get_level_values("datetime").searchsorted(end, "right"))
        if later < len(prices):  # a source counts in days
            prices = prices.iloc[:later]
            prices = prices.set_index(cast(pd.MultiIndex, prices.index).remove_unused_levels())
        labels = pd.concat([function(prices) for function in self.functions], axis=1)
        return labels.replace([np.inf, -np.inf], np.nan)  # as in a panel


def _same(whole: Values, cut: Values) -> Values:
    same: Values = np.isclose(cut, whole, rtol=1e-9, atol=1e-12, equal_nan=True)
    return same
