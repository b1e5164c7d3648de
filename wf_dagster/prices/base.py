"""What a price source is, and what sources that hold one frame share."""

from __future__ import annotations

import abc
import copy
from collections.abc import Sequence
from typing import Any, Protocol, cast, runtime_checkable

import pandas as pd
from typing_extensions import Self

from wf_dagster.errors import DataError
from wf_dagster.moments import rows_between, to_replay_date


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
        """Prices: rows ``(datetime, instrument)``, sorted and unique; float64 columns."""
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
    """A price source that has all its prices in one frame."""

    def __init__(self, as_of: Any = None) -> None:
        self.as_of = to_replay_date(as_of) if as_of else None

    @abc.abstractmethod
    def _whole(self) -> pd.DataFrame:
        """All prices as they are now, checked and sorted; shared, so nobody may change them."""

    @abc.abstractmethod
    def _content(self) -> str:
        """Identifies the content of the whole frame as it is now."""

    @abc.abstractmethod
    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""

    def at(self, as_of: Any) -> Self:
        """The same source with another replay date; ``None`` hides nothing."""
        other = copy.copy(self)
        other.as_of = to_replay_date(as_of) if as_of else None
        return other

    def hides(self) -> bool:
        """Whether there are rows after the replay date."""
        return self.as_of is not None and self.as_of < self.at(None).last_session().normalize()

    def _visible(self) -> pd.DataFrame:
        frame = _between(self._whole(), None, None if self.as_of is None else self.as_of.date())
        if frame.empty:
            raise DataError(f"no prices at or before as_of={self.as_of:%Y-%m-%d} in {self!r}")
        return frame

    def load(
        self,
        fields: Sequence[str] | None = None,
        instruments: Sequence[str] | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Prices: rows ``(datetime, instrument)``, sorted and unique; float64 columns.

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
        frame = self._visible()
        if fields is not None:
            missing = [field for field in fields if field not in frame.columns]
            if missing:
                raise DataError(
                    f"{self!r} has no field {missing[0]!r}: it has {', '.join(frame.columns)}"
                )
            frame = frame[list(fields)]
        if instruments is not None:
            names = frame.index.get_level_values("instrument")
            frame = frame[names.isin(list(instruments))]
            if frame.empty:
                examples = ", ".join(map(str, names.unique()[:5]))
                raise DataError(
                    f"the instruments {list(instruments)[:5]} select nothing of {self!r}, which "
                    f"holds {examples}, ..."
                )
        frame = _between(frame, start, end).copy()
        # a day or a name that is not selected must not be found in the levels either
        frame.index = cast(pd.MultiIndex, frame.index).remove_unused_levels()
        return frame

    def sessions(self) -> pd.DatetimeIndex:
        """All sessions that have rows."""
        days = self._visible().index.get_level_values("datetime").unique()
        return pd.DatetimeIndex(days, name="datetime")

    def last_session(self) -> pd.Timestamp:
        """The last session that has rows."""
        last: pd.Timestamp = self._visible().index[-1][0]
        return last

    def version(self) -> str:
        """Changes when any price changes, and with ``as_of``."""
        return f"{self._content()}@{'' if self.as_of is None else self.as_of.date()}"


def _between(frame: pd.DataFrame, start: Any, end: Any) -> pd.DataFrame:
    return frame.iloc[rows_between(frame.index, start, end)]
