"""What a price source is, and what sources that hold one frame share."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, Protocol, cast, runtime_checkable

import pandas as pd
from typing_extensions import Self

from wf_dagster.errors import DataError
from wf_dagster.moments import rows_between, to_replay_date
from wf_dagster.prices.close_digests import digest_closes
from wf_dagster.prices.coverage import SettledPrices, log_waiting, settle
from wf_dagster.prices.descriptions import check_coverage
from wf_dagster.settings import MIN_COVERAGE

CACHED_PLACES = 8  # whose prices a process holds: strategies on several markets
_EASTERNMOST = pd.Timedelta(hours=14)  # where a day begins first

_CLOSE = ("close",)


@runtime_checkable
class PriceSource(Protocol):
    """Prices of many instruments over many sessions.

    Attributes:
        as_of: Replay date: later rows are hidden as if they had not happened yet.
    """

    as_of: pd.Timestamp | None

    def load(
        self,
        fields: Sequence[str] | None = None,
        instruments: Sequence[str] | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Prices: rows ``(datetime, instrument)``, sorted and unique; float64 or text columns."""
        ...

    def last_session(self) -> pd.Timestamp:
        """The last session that has rows."""
        ...

    def sessions(self) -> pd.DatetimeIndex:
        """All sessions that have rows."""
        ...

    def version(self) -> str:
        """Changes when any price changes, and with ``as_of``."""
        ...

    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""
        ...


@runtime_checkable
class Replayable(Protocol):
    """A source that can be seen as of another date."""

    def at(self, as_of: Any) -> PriceSource:
        """The same source with another replay date; ``None`` hides nothing."""
        ...


class FrameSource(abc.ABC):
    """A price source that has all its prices in one frame.

    Days without a single close are no sessions; days at the end on which few instruments have
    theirs are not there yet (see :mod:`wf_dagster.prices.coverage`).

    Args:
        as_of: Replay date; later rows are hidden.
        min_coverage: Share of the instruments that must have a close on the last session; default
            that of the market which reads it, or 0.5.

    Raises:
        DataError: ``min_coverage`` is no share.
    """

    min_coverage: float | None = None  # of a source whose constructor takes none
    _coverage_of_market = MIN_COVERAGE
    _is_replayed = False

    def __init__(self, as_of: Any = None, min_coverage: float | None = None) -> None:
        self.as_of = to_replay_date(as_of) if as_of else None
        if min_coverage is not None:
            self.min_coverage = check_coverage(min_coverage)

    @abc.abstractmethod
    def _whole(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """All prices as they are now, checked and sorted; shared, so nobody may change them.

        Args:
            fields: Columns that must be there, where there are such; default all.
        """

    def _fields(self) -> list[str]:
        """The columns that there are."""
        return list(self._whole().columns)

    @abc.abstractmethod
    def _content(self) -> str:
        """Identifies the content of the whole frame as it is now."""

    @abc.abstractmethod
    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""

    def at(self, as_of: Any) -> Self:
        """The same source with another replay date; ``None`` hides nothing."""
        other = self._copy()
        other.as_of = to_replay_date(as_of) if as_of else None
        # rows after today, which a replay date hides, are not for a look at everything either
        other._is_replayed = self._is_replayed or self.as_of is not None
        return other

    def with_coverage(self, min_coverage: float) -> Self:
        """The same source on a market with this ``min_coverage``; one of its own goes first."""
        if min_coverage == self._coverage_of_market:
            return self
        other = self._copy()
        other._coverage_of_market = min_coverage
        return other

    def _copy(self) -> Self:
        """Whole, where a pickle may leave out what only this process needs."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def hides(self) -> bool:
        """Whether there are rows after the replay date."""
        return self.as_of is not None and self.as_of < self.at(None).last_session().normalize()

    @property
    def _coverage(self) -> float:
        return self._coverage_of_market if self.min_coverage is None else self.min_coverage

    def _visible(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        whole = self._whole(fields)
        today = (pd.Timestamp.now("UTC").tz_localize(None) + _EASTERNMOST).normalize()
        future = _between(whole, today + pd.Timedelta(days=1), None)
        if len(future):
            self._check_future(future, today)
        settled = _settle_once(self, whole, len(whole) - len(future))
        if settled.frame.empty:
            raise DataError(
                f"{self!r} has no session: on none of its days any instrument has a close"
            )
        frame = _between(settled.frame, None, None if self.as_of is None else self.as_of.date())
        if frame.empty:
            raise DataError(f"no prices at or before as_of={self.as_of:%Y-%m-%d} in {self!r}")
        return frame

    def _check_future(self, future: pd.DataFrame, today: pd.Timestamp) -> None:
        """Refuse rows after today, unless a replay date hides them."""
        day, name = future.index[0]
        if self._is_replayed if self.as_of is None else self.as_of < day:
            return
        raise DataError(
            f"{self!r} holds {len(future)} rows after today ({today:%Y-%m-%d} is the latest date "
            f"anywhere), the first for {name} on {day:%Y-%m-%d}: correct or remove them, or set "
            "as_of (WF_AS_OF) to an earlier date"
        )

    def load(
        self,
        fields: Sequence[str] | None = None,
        instruments: Sequence[str] | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Prices: rows ``(datetime, instrument)``, sorted and unique; float64 or text columns.

        Args:
            fields: Columns; default all.
            instruments: Default all.
            start: First date, or bar.
            end: Last date, or bar.

        Raises:
            DataError: A field is not there, or the instruments select nothing.

        Returns:
            A copy: it may be changed.
        """
        if fields is not None:
            there = self._fields()
            missing = [field for field in fields if field not in there]
            if missing:
                raise DataError(f"{self!r} has no field {missing[0]!r}: it has {', '.join(there)}")
        everything = self._visible(fields)
        frame = _between(everything, start, end)  # first: it copies nothing
        if fields is not None:
            frame = frame[list(fields)]
        if instruments is not None:
            names = frame.index.get_level_values("instrument")
            frame = frame[names.isin(list(instruments))]
            if frame.empty and not _has_any(everything, instruments):
                names = everything.index.get_level_values("instrument")
                examples = ", ".join(map(str, names.unique()[:5]))
                raise DataError(
                    f"the instruments {list(instruments)[:5]} select nothing of {self!r}, which "
                    f"holds {examples}, ..."
                )
        frame = frame.copy()
        # a day or a name that is not selected must not be found in the levels either
        frame.index = cast(pd.MultiIndex, frame.index).remove_unused_levels()
        return frame

    def sessions(self) -> pd.DatetimeIndex:
        """All sessions that have rows."""
        days = self._visible(_CLOSE).index.get_level_values("datetime").unique()
        return pd.DatetimeIndex(days, name="datetime")

    def last_session(self) -> pd.Timestamp:
        """The last session that has rows."""
        last: pd.Timestamp = self._visible(_CLOSE).index[-1][0]
        return last

    def version(self) -> str:
        """Changes when any price changes, with ``as_of``, and with another ``min_coverage``."""
        coverage = "" if self._coverage == MIN_COVERAGE else f"+{self._coverage:g}"
        return f"{self._content()}@{'' if self.as_of is None else self.as_of.date()}{coverage}"

    def close_digests(self) -> pd.Series[Any]:
        """A digest of the closes of each session (uint64); see :func:`digest_closes`."""
        return digest_closes(self._visible(_CLOSE))

    def closes(self, start: pd.Timestamp) -> pd.Series[Any]:
        """The closes from a session on: rows ``(datetime, instrument)``, none missing."""
        fields = self._fields()
        column = "close" if "close" in fields else fields[0]
        return self.load([column], start=start)[column].dropna()

    def _own_coverage(self) -> dict[str, float]:
        """For ``spec()``: what was given to the constructor, if anything."""
        return {} if self.min_coverage is None else {"min_coverage": self.min_coverage}


# what was settled last, and of which frame: one of millions of rows is looked at once
_SETTLED: dict[tuple[str, float], tuple[pd.DataFrame, int, SettledPrices]] = {}


def _settle_once(source: FrameSource, whole: pd.DataFrame, rows: int) -> SettledPrices:
    """The first rows of a frame, settled; each frame once, until it is another one."""
    key = (repr(source), source._coverage)
    before = _SETTLED.get(key)
    if before is not None and before[0] is whole and before[1] == rows:
        return before[2]
    settled = settle(whole.iloc[:rows], source._coverage)
    if before is None or before[2].waiting != settled.waiting:
        log_waiting(settled, source._coverage, repr(source))
    _SETTLED.pop(key, None)
    while len(_SETTLED) >= CACHED_PLACES:
        _SETTLED.pop(next(iter(_SETTLED)), None)
    _SETTLED[key] = (whole, rows, settled)
    return settled


def _has_any(frame: pd.DataFrame, instruments: Sequence[str]) -> bool:
    return bool(frame.index.get_level_values("instrument").isin(list(instruments)).any())


def _between(frame: pd.DataFrame, start: Any, end: Any) -> pd.DataFrame:
    return frame.iloc[rows_between(frame.index, start, end)]
