"""When labels were known, measured with the functions that compute them.

The labels that a model learns from are computed again from prices that end with the first test
session. One that is missing then, or is another one, was known later: whatever its function does,
and whatever sessions and gaps the prices have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from wf_dagster.data.feature_check import describe_names
from wf_dagster.data.panel import Panel, column_functions
from wf_dagster.data.same_values import are_same, usual_sizes
from wf_dagster.errors import DataError
from wf_dagster.moments import Moments, format_moment, rows_between
from wf_dagster.tasks.late_labels import LateLabels, segments_before_test

_SESSIONS_FIRST_TRIED = 64  # before the last label that is learned from: what is late is there
_TIMES_LONGER = 4  # is a window than the one before it, where the first of its labels is late
_log = logging.getLogger(__name__)


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
    needs_past = False
    for start in window_starts(max(ends)):
        is_whole = start == 0
        if needs_past and not is_whole:
            continue
        try:
            window = check.find_late(sessions[start], before)
            if window.late.empty:
                return None
            known_on = check.find_known_on(sessions[start], window.late.index[0])
        except _OtherColumnsError as error:
            if is_whole:
                raise DataError(str(error)) from None
            needs_past = True
            continue
        except Exception as error:  # a function of the user's may raise anything
            if not is_whole:
                needs_past = True
                continue
            _log.warning(
                "whether labels were known before %s is not known: they cannot be computed from "
                "the prices up to that day alone (%s: %s)",
                format_moment(sessions[place]),
                type(error).__name__,
                error,
            )
            return None
        if is_whole or (known_on is not None and window.begins_inside):
            return check.describe(window, known_on, before)
        needs_past = known_on is None
    return None


def window_starts(last: int) -> Iterator[int]:
    """Where windows before the last label that is learned from start, each longer; 0 at last.

    Args:
        last: Place of its session.
    """
    length = _SESSIONS_FIRST_TRIED
    while length < last:
        yield last - length
        length *= _TIMES_LONGER
    yield 0


class _OtherColumnsError(Exception):
    """Labels have other columns with later prices."""


@dataclass(frozen=True)
class _LateWindow:
    """What was found in a window.

    Attributes:
        late: The rows whose label was not known.
        checked: How many rows have one.
        begins_inside: Whether earlier labels of the window, or all of the segments, were known.
    """

    late: pd.Series[bool]
    checked: int
    begins_inside: bool


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

    def find_late(self, start: pd.Timestamp, segments: Any) -> _LateWindow:
        """The rows of segments, from a date on, whose label was not known.

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
        same = are_same(cut.to_numpy(), whole.to_numpy(), usual_sizes(whole))
        is_late = (has_label & ~same).any(axis=1) & is_learned
        is_labelled = has_label.any(axis=1) & is_learned
        days = whole.index.get_level_values("datetime")
        late, labelled = days[is_late], days[is_labelled]
        begins = {moment for moment, _ in segments.values()}
        covers = None not in begins and start <= min(begins)
        return _LateWindow(
            late=pd.Series(True, index=whole.index[is_late]),
            checked=int(is_labelled.sum()),
            begins_inside=covers or (len(late) > 0 and late[0] > labelled[0]),
        )

    def find_known_on(self, start: pd.Timestamp, row: Any) -> pd.Timestamp | None:
        """The first session whose prices give a row the label that all prices give it.

        Args:
            start: Prices before it are left out.
            row: A row whose label is late.
        """
        labels_of_day = self._known(row[0], row[0])
        target, usual = labels_of_day.loc[[row]].to_numpy(), usual_sizes(labels_of_day)

        def is_known(place: int) -> bool:
            labels = self._computed(start, self.sessions[place]).loc[[row]].to_numpy()
            return bool((are_same(labels, target, usual) | np.isnan(target)).all())

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
        self, window: _LateWindow, known_on: pd.Timestamp | None, segments: Any
    ) -> LateLabels:
        """The first of the late rows, and how far it is from the test segment."""
        day, instrument = window.late.index[0]
        moments, place = Moments.of(self.sessions), int(self.sessions.searchsorted(day))
        ranges = {name: moments.range(*segment) for name, segment in segments.items()}
        reach = 0 if known_on is None else int(self.sessions.searchsorted(known_on)) - place
        return LateLabels(
            segment=next(name for name, r in ranges.items() if r.start <= place < r.stop),
            row=f"{instrument} on {format_moment(day)}",
            known_on=known_on,
            test_open=self.sessions[self.opening],
            late=len(window.late),
            checked=window.checked,
            trunc_days=max(self.opening - place + 1, reach),
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
        labels.columns = labels.columns.astype(str)
        names = list(self.panel.columns.get_level_values(1)[self._is_label])
        before, after = (sorted({*a} - {*b}) for a, b in ((labels, names), (names, labels)))
        if before or after:
            raise _OtherColumnsError(
                "the names of labels look ahead: computed from the prices up to "
                f"{format_moment(end)} alone {describe_names(before, after)}. A name may not "
                "depend on prices"
            )
        return labels[names].replace([np.inf, -np.inf], np.nan)  # as in a panel

    @property
    def _is_label(self) -> Any:
        return self.panel.columns.get_level_values(0) == "label"
