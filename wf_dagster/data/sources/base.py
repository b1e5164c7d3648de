"""What a price source is, and what sources that hold one frame share."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from wf_dagster.calendars import to_day
from wf_dagster.errors import DataError


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


class FrameSource(abc.ABC):
    """A price source that reads one frame and keeps it for the life of the object."""

    def __init__(self, as_of: Any = None) -> None:
        self.as_of = to_day(as_of) if as_of else None
        self._frame: pd.DataFrame | None = None

    @abc.abstractmethod
    def _read(self) -> pd.DataFrame:
        """The whole frame, checked and sorted."""

    @abc.abstractmethod
    def _content(self) -> str:
        """Identifies the content of the whole frame."""

    @abc.abstractmethod
    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""

    def _visible(self) -> pd.DataFrame:
        if self._frame is None:
            frame = self._read()
            if self.as_of is not None:
                frame = frame[frame.index.get_level_values("datetime") <= self.as_of]
                if frame.empty:
                    raise DataError(
                        f"no prices at or before as_of={self.as_of:%Y-%m-%d} in {self!r}"
                    )
            self._frame = frame
        return self._frame

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
            start: First date.
            end: Last date.

        Raises:
            DataError: A field is not there, or the instruments select nothing.
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
                known = ", ".join(map(str, names.unique()[:5]))
                raise DataError(
                    f"the instruments {list(instruments)[:5]} select nothing of {self!r}, which "
                    f"holds {known}, ..."
                )
        days = frame.index.get_level_values("datetime")
        if start is not None:
            frame, days = frame[days >= to_day(start)], days[days >= to_day(start)]
        if end is not None:
            frame = frame[days <= to_day(end)]
        return frame

    def sessions(self) -> pd.DatetimeIndex:
        """All sessions that have rows."""
        days = self._visible().index.get_level_values("datetime").unique()
        return pd.DatetimeIndex(days, name="datetime")

    def last_session(self) -> pd.Timestamp:
        """The last session that has rows."""
        return self.sessions()[-1]

    def version(self) -> str:
        """Changes when any price changes, and with ``as_of``."""
        return f"{self._content()}@{'' if self.as_of is None else self.as_of.date()}"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_frame": None}
