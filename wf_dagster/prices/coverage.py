"""Which days of a frame of prices are sessions: those on which enough instruments have a close.

Providers write the rows of a new day before its closes are known, and bring the closes of some
instruments hours after those of others. A day without a single close is no session. At the end of
the prices, days on which too few instruments have a close are not there yet, and neither are the
rows of the last session that wait for theirs. Further back a day with few instruments is a session:
exchanges of one universe have different holidays.

"Too few" is less than a share of what is usual: in a universe that trades thinly that is less than
all. And where some of its instruments have rested together before, as an exchange on its holidays
or stocks on the Sundays of coins, nobody waits for them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

LOOK_BACK = 5  # sessions; an instrument without a close on any of them is not waited for
_USUAL = 20  # sessions that say what share of the instruments usually has a close
_PRECEDENTS = 520  # sessions among which others are looked for on which the same ones rested
_ENOUGH = 2  # such sessions
Rows = npt.NDArray[np.int64]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WaitingDay:
    """A day whose closes have not come yet.

    Attributes:
        day: The day.
        closes: Instruments that have a close, of those that are waited for.
        awaited: Instruments that had a close on any of the preceding sessions.
    """

    day: pd.Timestamp
    closes: int
    awaited: int


@dataclass(frozen=True)
class SettledPrices:
    """Prices without what is not there yet.

    Attributes:
        frame: The rows of sessions; the frame itself where nothing is left out.
        waiting: The days at the end that are not there yet, the earliest first.
    """

    frame: pd.DataFrame
    waiting: tuple[WaitingDay, ...] = ()


def settle(prices: pd.DataFrame, min_coverage: float) -> SettledPrices:
    """Leave out days that are no sessions, and what is not there yet.

    Args:
        prices: Rows ``(datetime, instrument)``, sorted by ``datetime``; without a column
            ``close`` nothing is left out.
        min_coverage: The share of instruments that must have a close on the last session, of
            those that had one on any of the :data:`LOOK_BACK` sessions before it.
    """
    if "close" not in prices.columns or prices.empty:
        return SettledPrices(prices)
    days = _DaysOfRows.of(prices)
    sessions = np.flatnonzero(days.closes)
    waiting: list[WaitingDay] = []
    while len(sessions) > 1:
        closes, awaited = days.count_awaited(sessions)
        if closes >= min_coverage * awaited or days.is_usual(sessions, min_coverage):
            break
        waiting.insert(0, WaitingDay(days.day(sessions[-1]), closes, awaited))
        sessions = sessions[:-1]
        if len(waiting) > LOOK_BACK:  # nothing comes any more: these prices are like that
            return SettledPrices(days.select(prices, np.flatnonzero(days.closes)))
    return SettledPrices(days.select(prices, sessions), tuple(waiting))


def log_waiting(settled: SettledPrices, min_coverage: float, place: str) -> None:
    """Say which days wait, and for how many of how many instruments.

    Args:
        settled: What :func:`settle` gave.
        min_coverage: What it was given.
        place: Where the prices are from.
    """
    for late in settled.waiting:
        _log.warning(
            "%s: %s is not there yet: %d of %d instruments have a close, min_coverage "
            "(WF_MIN_COVERAGE) asks for %g",
            place,
            late.day.date(),
            late.closes,
            late.awaited,
            min_coverage,
        )


@dataclass(frozen=True)
class _DaysOfRows:
    """Where the rows of each day are, by position of the day.

    Attributes:
        levels: The days.
        starts: The first row of each day, and the number of rows.
        closes: The number of closes of each day.
        has_close: Of each row.
        names: Code of the instrument of each row.
    """

    levels: pd.DatetimeIndex
    starts: Rows
    closes: Rows
    has_close: npt.NDArray[np.bool_]
    names: npt.NDArray[Any]

    @classmethod
    def of(cls, prices: pd.DataFrame) -> _DaysOfRows:
        index = cast(pd.MultiIndex, prices.index)
        # on the levels: there are thousands of days and millions of rows
        codes, levels = pd.factorize(pd.DatetimeIndex(index.levels[0]).normalize())
        day = codes[index.codes[0]]
        starts = np.r_[0, np.flatnonzero(day[1:] != day[:-1]) + 1]
        has_close = prices["close"].notna().to_numpy()
        return cls(
            levels=pd.DatetimeIndex(levels[day[starts]]),
            starts=np.r_[starts, len(day)],
            closes=np.add.reduceat(has_close.astype("int64"), starts),
            has_close=has_close,
            names=np.asarray(index.codes[1]),
        )

    def day(self, position: int) -> pd.Timestamp:
        return self.levels[int(position)]

    def count_awaited(self, sessions: Rows) -> tuple[int, int]:
        """Closes on the last of some days, of instruments that are waited for, and their number."""
        awaited = self._awaited(sessions)
        return len(np.intersect1d(self._with_close(sessions[-1]), awaited)), len(awaited)

    def is_usual(self, sessions: Rows, min_coverage: float) -> bool:
        """Whether so few closes as on the last of some days are usual."""
        closes, awaited = self.count_awaited(sessions)
        before = [
            self.count_awaited(sessions[:end]) for end in range(len(sessions) - 1, 1, -1)[:_USUAL]
        ]
        shares = [number / of for number, of in before if of]
        if shares and closes >= min_coverage * float(np.median(shares)) * awaited:
            return True
        present = self._with_close(sessions[-1])
        resting = np.setdiff1d(self._awaited(sessions), present)
        precedents, has_ended = 0, False
        for day in sessions[-2 : -2 - _PRECEDENTS : -1]:
            then = self._with_close(day)
            rested = 1 - np.isin(resting, then).mean() > min_coverage
            is_alike = rested and np.isin(present, then).mean() >= min_coverage
            has_ended |= not is_alike  # days in a row may all lack closes that are to come
            precedents += bool(has_ended and is_alike)
            if precedents >= _ENOUGH:
                return True
        return False

    def select(self, prices: pd.DataFrame, sessions: Rows) -> pd.DataFrame:
        """The rows of sessions, without those of the last one that wait for their close."""
        if not len(sessions):
            return prices.iloc[:0]
        last = slice(self.starts[sessions[-1]], self.starts[sessions[-1] + 1])
        waits = ~self.has_close[last] & np.isin(self.names[last], self._awaited(sessions))
        if not waits.any() and len(sessions) == sessions[-1] + 1:
            return prices.iloc[: last.stop]  # a view: nothing is left out further back
        chosen = np.zeros(len(prices), dtype=bool)
        chosen[: last.stop] = True
        for empty in np.setdiff1d(np.arange(sessions[-1]), sessions):
            chosen[self.starts[empty] : self.starts[empty + 1]] = False
        chosen[last] &= ~waits
        return prices[chosen]

    def _awaited(self, sessions: Rows) -> npt.NDArray[Any]:
        """Instruments with a close on any of the sessions before the last of these."""
        before = [self._with_close(day) for day in sessions[-1 - LOOK_BACK : -1]]
        return np.unique(np.concatenate(before)) if before else self.names[:0]

    def _with_close(self, day: int) -> npt.NDArray[Any]:
        rows = slice(self.starts[day], self.starts[day + 1])
        return self.names[rows][self.has_close[rows]]
