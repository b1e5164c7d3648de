"""Features of a date, computed again from prices that end with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pandas as pd

from wf_dagster.data.same_values import are_same, is_rounding, usual_sizes
from wf_dagster.data.universe import Universe
from wf_dagster.prices import PriceSource

_PLACES = (0.17, 0.34, 0.53, 0.71, 0.89)  # of the sessions; no regular part of a month or year
_DRAWS, _TRILLIONTH = 2, 1e-12  # of prices: what such changes make of a feature is rounding
_UNSTABLE = 0.1  # of what is usual in a column: with more rounding than that it says little
_INFINITE = [np.inf, -np.inf]
Function = Callable[[pd.DataFrame], pd.DataFrame]


class FeatureHistory:
    """Prices, and the features of all of them.

    Args:
        source: The prices.
        universe: Whose features there are.
        whole: The features: of the rows of prices that belong to the universe, or of the first of
            them.

    Attributes:
        not_computed: Why features could not be computed from the prices up to a date, by date.
        names: The columns that were computed at a date, by date; those of a function are complete
            once it was given all earlier prices.
        unstable: The first date at which a column is mostly rounding, by its name.
    """

    def __init__(self, source: PriceSource, universe: Universe, whole: pd.DataFrame) -> None:
        self._prices = universe.load(source)
        self._belongs = universe.holds(cast(pd.MultiIndex, self._prices.index))
        self._whole = whole
        self._days_of_prices = self._prices.index.get_level_values("datetime")
        self._days = whole.index.get_level_values("datetime")
        self._sessions = self._days.unique()
        self._usual = pd.Series(usual_sizes(whole), index=whole.columns)
        self.not_computed: dict[pd.Timestamp, str] = {}
        self.unstable: dict[str, pd.Timestamp] = {}
        self.names: dict[pd.Timestamp, set[str]] = defaultdict(set)

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

    def find_differing(
        self, function: Function, date: pd.Timestamp, sessions: int | None = None
    ) -> set[str]:
        """The columns that have another value at a date when later prices are left out.

        Args:
            function: Gives the columns.
            date: The date.
            sessions: So many up to it are computed from; ``None`` is all of them. Where the
                function cannot do with so few, or gives other columns then, all columns differ.
        """
        low = self._start_of(date, sessions)
        try:
            frame = self._compute(function, low, date, date)
        except Exception as error:  # a function of the user's may raise anything
            if low == 0:
                self.not_computed[date] = f"{type(error).__name__}: {error}"
                return set()
            return set(self._whole.columns)
        if low > 0 and not set(frame.columns) <= set(self._whole.columns):
            return set(self._whole.columns)
        self.names[date] |= set(frame.columns)
        names = [name for name in frame.columns if name in self._usual.index]
        values, whole = frame[names].to_numpy(), self._rows(date)[names].to_numpy()
        usual = self._usual[names].to_numpy()
        same = are_same(values, whole, usual)
        differing = set(frame[names].columns[~np.asarray(same.all(axis=0))])
        if low > 0 or not differing:
            return differing
        return differing - self._rounded(function, date, frame[sorted(differing)])

    def columns_absent(self, date: pd.Timestamp) -> list[str]:
        """Columns that were not computed at a date, and have values there with later prices.

        One that is 0 or missing there, such as of a category that comes later, says nothing.
        """
        rows = self._rows(date)[[c for c in self._whole.columns if c not in self.names[date]]]
        return list(rows.columns[(rows.fillna(0.0) != 0).any(axis=0)])

    def columns_unknown(self, date: pd.Timestamp) -> list[str]:
        """Columns that were computed at a date, and are not there with later prices."""
        return sorted(self.names[date] - set(self._whole.columns))

    def _rounded(self, function: Function, date: pd.Timestamp, frame: pd.DataFrame) -> set[str]:
        """The columns that differ by no more than rounding does in such prices."""
        names = list(frame.columns)
        whole, usual = self._rows(date)[names], self._usual[names].to_numpy()
        noise = np.zeros(len(names))
        try:
            for seed in range(_DRAWS):
                for until, values in ((date, frame), (self._sessions[-1], whole)):
                    other = self._compute(function, 0, date, until, seed)[names]
                    changed = np.abs(other.to_numpy() - values.to_numpy())
                    noise = np.fmax(noise, np.fmax.reduce(changed, axis=0))
        except Exception:  # a function of the user's: the difference stands
            return set()
        same = are_same(frame.to_numpy(), whole.to_numpy(), usual)
        same |= is_rounding(frame.to_numpy(), whole.to_numpy(), noise)
        is_rounded = np.asarray(same.all(axis=0))
        for name in frame.columns[is_rounded & (noise > _UNSTABLE * usual)]:
            self.unstable.setdefault(name, date)
        return set(frame.columns[is_rounded])

    def _compute(
        self,
        function: Function,
        low: int,
        date: pd.Timestamp,
        until: pd.Timestamp,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """The features of a date from the prices of some rows on, until a date.

        With a seed each row of prices is a trillionth higher or lower.
        """
        start, end = self._span(self._days_of_prices, date)
        _, last = self._span(self._days_of_prices, until)
        prices = self._prices.iloc[low:last]
        prices = prices.set_index(cast(pd.MultiIndex, prices.index).remove_unused_levels())
        if seed is not None:
            random = np.random.default_rng(seed).uniform(-1.0, 1.0, len(self._prices))
            factor = 1 + _TRILLIONTH * random[low:last]
            floats = prices.select_dtypes(include="float").columns
            prices = prices.assign(**{str(name): prices[name] * factor for name in floats})
        frame = function(prices).iloc[start - low : end - low][self._belongs[start:end]]
        frame.columns = frame.columns.astype(str)
        return frame.replace(_INFINITE, np.nan)  # as in a panel

    def _start_of(self, date: pd.Timestamp, sessions: int | None) -> int:
        place = int(self._sessions.searchsorted(date))
        if sessions is None or place < sessions:
            return 0
        return int(self._days_of_prices.searchsorted(self._sessions[place - sessions + 1]))

    def _rows(self, date: pd.Timestamp) -> pd.DataFrame:
        return self._whole.iloc[slice(*self._span(self._days, date))]

    @staticmethod
    def _span(days: Any, date: pd.Timestamp) -> tuple[int, int]:
        return int(days.searchsorted(date, "left")), int(days.searchsorted(date, "right"))
