"""Whether features look ahead, measured with the functions that compute them.

At a few dates features are computed again from prices that end there. A feature that looks back has
the same value at that date, whatever came later; one that has another value looks ahead.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from wf_dagster.data.panel import Panel, column_functions
from wf_dagster.data.universe import Universe
from wf_dagster.errors import DataError
from wf_dagster.prices import PriceSource
from wf_dagster.tables.cache import write_text

_PLACES = (0.17, 0.34, 0.53, 0.71, 0.89)  # of the sessions; no regular part of a month or year
_WINDOW = 260  # sessions: a year, so that features of a year are computed from few prices
_ENOUGH = 2  # dates at which a feature with a longer memory is computed from all earlier prices
_RELATIVE, _OF_SPREAD = 1e-6, 1e-9  # rounding: of the value, and of what is usual in its column
_ROWS_OF_SPREAD = 10_000  # that what is usual in a column is taken from
_INFINITE = [np.inf, -np.inf]
_SIDES: tuple[Literal["left"], Literal["right"]] = ("left", "right")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureCheck:
    """What was found at some dates.

    Attributes:
        dates: ISO dates at which features were computed again.
        looking_ahead: ISO date at which a feature first had another value, by its name.
        not_computed: Why features could not be computed from earlier prices alone, by date.
    """

    dates: list[str]
    looking_ahead: dict[str, str] = field(default_factory=dict)
    not_computed: dict[str, str] = field(default_factory=dict)

    def raise_look_ahead(self) -> None:
        """Refuse features that look ahead.

        Raises:
            DataError: There are some; it names the first one and the date.
        """
        if self.looking_ahead:
            column, date = min(self.looking_ahead.items(), key=lambda item: item[1])
            others = ", ".join(repr(name) for name in self.looking_ahead if name != column)
            raise DataError(
                f"feature {column!r} looks ahead: its value on {date} is another one when it is "
                "computed from the prices up to that day alone"
                + (f"; so do {others}" if others else "")
                + ". A feature may use prices up to its own session only: write shift(n) with "
                "n >= 0, and no mean, rank or fill over dates that come later"
            )


def check_features(panel: Panel, features: Any, folder: Path) -> FeatureCheck:
    """Compute features again at a few dates, unless that was done before.

    Args:
        panel: The features of all prices.
        features: The definition that they were computed with.
        folder: Where it is noted what was found.
    """
    note = folder / f"{panel.key}.features.json"
    check = _read(note)
    if check is None:
        check = _check(panel, features)
        write_text(note, json.dumps(asdict(check)))
        for date, reason in check.not_computed.items():
            _log.warning(
                "whether features look ahead is not known: they cannot be computed from the "
                "prices up to %s alone (%s)",
                date,
                reason,
            )
    return check


def _read(note: Path) -> FeatureCheck | None:
    try:
        return FeatureCheck(**json.loads(note.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _check(panel: Panel, features: Any) -> FeatureCheck:
    assert panel.source is not None
    whole = cast(pd.DataFrame, panel.slice(None, None)["feature"])
    history = _History(panel.source, panel.universe, whole)
    dates = history.sample_dates()
    check = FeatureCheck([f"{date:%Y-%m-%d}" for date in dates])
    for function in column_functions(features, "features") if dates else ():
        _check_function(function, history, dates, check)
    return check


def _check_function(
    function: Callable[[pd.DataFrame], pd.DataFrame],
    history: _History,
    dates: Sequence[pd.Timestamp],
    check: FeatureCheck,
) -> None:
    """Look at the features of one function; what is found is put into ``check``."""
    passed: dict[str, int] = {}
    for date in dates:
        # what is the same without the distant past needs neither that nor the future
        doubtful = history.differing(function, date, _WINDOW, check)
        if all(passed.get(column, 0) >= _ENOUGH for column in doubtful):
            continue
        ahead = history.differing(function, date, None, check)
        for column in ahead:
            check.looking_ahead.setdefault(column, f"{date:%Y-%m-%d}")
            passed[column] = _ENOUGH
        for column in doubtful - ahead:
            passed[column] = passed.get(column, 0) + 1


class _History:
    """Prices, and the features of all of them.

    Args:
        source: The prices.
        universe: Whose features there are.
        whole: The features: of the rows of prices that belong to the universe, or of the first of
            them.
    """

    def __init__(self, source: PriceSource, universe: Universe, whole: pd.DataFrame) -> None:
        self._prices = universe.load(source)
        self._belongs = universe.holds(cast(pd.MultiIndex, self._prices.index))
        self._whole = whole
        self._days_of_prices = self._prices.index.get_level_values("datetime")
        self._days = whole.index.get_level_values("datetime")
        self._sessions = self._days.unique()
        sampled = whole.iloc[:: max(len(whole) // _ROWS_OF_SPREAD, 1)].replace(_INFINITE, np.nan)
        self._rounding = _OF_SPREAD * sampled.abs().median().fillna(0.0)

    def sample_dates(self) -> list[pd.Timestamp]:
        """Dates that others follow, at which each column has a value if it ever has one before."""
        last = len(self._sessions) - 1
        dates = {self._sessions[int(place * last)] for place in _PLACES if last > 0}
        is_there = self._whole.notna().to_numpy()
        is_empty = ~is_there[np.asarray(self._days.isin(list(dates)))].any(axis=0)
        is_early = np.asarray(self._days < self._sessions[last])
        for column in np.flatnonzero(is_empty):
            rows = np.flatnonzero(is_there[:, column] & is_early)
            if len(rows):
                dates.add(self._days[rows[len(rows) // 2]])
        return sorted(dates)

    def differing(
        self,
        function: Callable[[pd.DataFrame], pd.DataFrame],
        date: pd.Timestamp,
        window: int | None,
        check: FeatureCheck,
    ) -> set[str]:
        """The columns that have another value at a date when later prices are left out.

        Args:
            function: Gives the columns.
            date: The date.
            window: Sessions up to it; ``None`` is all of them. Where the function cannot do with
                so few, all columns differ.
            check: Gets a word where it cannot be done with all of them either.
        """
        place = int(self._sessions.searchsorted(date))
        low = 0
        if window is not None and place >= window:
            low = int(self._days_of_prices.searchsorted(self._sessions[place - window + 1]))
        start, end = (int(self._days_of_prices.searchsorted(date, side)) for side in _SIDES)
        prices = self._prices.iloc[low:end]
        prices = prices.set_index(cast(pd.MultiIndex, prices.index).remove_unused_levels())
        try:
            frame = function(prices).iloc[start - end :][self._belongs[start:end]]
        except Exception as error:  # a function of the user's may raise anything
            if low == 0:
                check.not_computed[f"{date:%Y-%m-%d}"] = f"{type(error).__name__}: {error}"
                return set()
            return set(self._whole.columns)
        names = frame.columns.astype(str)
        first, after = (int(self._days.searchsorted(date, side)) for side in _SIDES)
        whole = self._whole[names].iloc[first:after].to_numpy()
        values = frame.replace(_INFINITE, np.nan).to_numpy()  # as in a panel
        noise = self._rounding[names].to_numpy()
        with np.errstate(invalid="ignore"):
            same = np.isclose(values, whole, rtol=_RELATIVE, atol=noise, equal_nan=True)
        return {name for name, is_same in zip(names, same.all(axis=0), strict=True) if not is_same}
