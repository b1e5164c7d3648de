"""Price sources whose columns are read when they are first asked for, and then held."""

from __future__ import annotations

import abc
import threading
from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from wf_dagster.calendars import to_day
from wf_dagster.dates import check_range
from wf_dagster.errors import DataError
from wf_dagster.prices.base import CACHED_PLACES, FrameSource
from wf_dagster.tasks.instrument_names import to_names


@dataclass(frozen=True)
class Selection:
    """What is read of the prices.

    Attributes:
        fields: Columns beside the keys, ``close`` first.
        instruments: ``None`` for all.
        start: First day; ``None`` for the first of all.
        end: Last day.
    """

    fields: tuple[str, ...]
    instruments: tuple[str, ...] | None = None
    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it leaves out no row."""
        return self.instruments is None and self.start is None and self.end is None


@dataclass
class _Held:
    """The columns of one content that this process has read."""

    lock: Any = field(default_factory=threading.RLock)
    names: list[str] | None = None
    frame: pd.DataFrame | None = None
    asked: set[str] = field(default_factory=set)  # for some rows, and not held

    def columns(self) -> set[str]:
        return set() if self.frame is None else set(self.frame.columns)


class ColumnSource(FrameSource):
    """A source that reads keys and closes at once, and each further field when it is needed.

    Keys and closes are what sessions, checks and calendars stand on: they are read and checked
    once a process, until the content changes. A further field of some rows is read for these rows
    alone where the place can look for them; of all rows, or a second time, it is read as a whole
    and held too.
    """

    @abc.abstractmethod
    def _place(self) -> Hashable:
        """Where the prices are: the same for sources that hold the same, whatever the date."""

    @abc.abstractmethod
    def _read_fields(self) -> list[str]:
        """The columns beside the keys, in order."""

    @abc.abstractmethod
    def _read(self, selection: Selection) -> pd.DataFrame:
        """Checked and sorted prices with the fields of a selection, and at least its rows."""

    @abc.abstractmethod
    def _content_now(self) -> str:
        """As :meth:`_content`, asked anew."""

    def _finds_rows(self, fields: Set[str]) -> bool:
        """Whether some rows of columns are read faster than all, and give the same.

        Text may look like numbers on some rows: its columns are read as a whole.
        """
        return True

    def load(
        self,
        fields: Sequence[str] | None = None,
        instruments: Sequence[str] | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Prices: rows ``(datetime, instrument)``, sorted and unique; float64 columns.

        See :meth:`FrameSource.load`.
        """
        if instruments is None and start is None and end is None:
            return super().load(fields)
        instruments = None if instruments is None else to_names(instruments)
        check_range(start, end)
        content = self._content()
        names = self._names(content)
        wanted = names if fields is None else list(fields)
        if set(wanted) - set(names) or not self._is_read_for_rows(content, wanted):
            return super().load(fields, instruments, start, end)
        closes = super().load(["close"], instruments, start, end)
        selection = Selection(
            ("close", *(name for name in wanted if name != "close")),
            None if instruments is None else tuple(instruments),
            None if start is None else to_day(start),
            min(filter(None, (self.as_of, None if end is None else to_day(end))), default=None),
        )
        frame = self._read(selection)
        self._check_still(content)
        # the rows are those of the closes, whatever it is that hides others
        return frame[wanted].reindex(closes.index)

    def _is_read_for_rows(self, content: str, wanted: Sequence[str]) -> bool:
        """Whether columns are read for some rows only: once, and then as a whole."""
        held = _held(type(self), self._place(), content)
        with held.lock:
            lacking = set(wanted) - held.columns() - {"close"}
            if not lacking or not self._finds_rows(lacking) or held.asked & lacking:
                return False
            held.asked |= lacking
        return True

    def _whole(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        content = self._content()
        names = self._names(content)
        held = _held(type(self), self._place(), content)
        with held.lock:
            wanted = names if fields is None else [name for name in fields if name in names]
            lacking = [name for name in wanted if name not in held.columns()]
            if lacking or held.frame is None:
                frame = self._read(
                    Selection(("close", *(name for name in lacking if name != "close")))
                )
                self._check_still(content)
                if held.frame is not None:
                    joined = held.frame.copy(deep=False)  # others may be reading it
                    for name in lacking:
                        joined[name] = frame[name].to_numpy()
                    frame = joined
                order = [name for name in names if name in frame.columns]
                held.frame = frame if list(frame.columns) == order else frame[order]
            return held.frame

    def _fields(self) -> list[str]:
        return self._names(self._content())

    def _names(self, content: str) -> list[str]:
        held = _held(type(self), self._place(), content)
        with held.lock:
            if held.names is None:
                held.names = self._read_fields()
            return held.names

    def _check_still(self, content: str) -> None:
        if self._content_now() != content:
            raise DataError(
                f"{self!r} was written while it was read: try again when it is complete"
            )


_HELD: dict[tuple[type[ColumnSource], Hashable], tuple[str, _Held]] = {}


def _held(kind: type[ColumnSource], place: Hashable, content: str) -> _Held:
    """What is held of one content; that of an earlier content of the place is let go."""
    before = _HELD.get((kind, place))
    if before is not None and before[0] == content:
        return before[1]
    held = _Held()
    _HELD.pop((kind, place), None)
    while len(_HELD) >= CACHED_PLACES:
        _HELD.pop(next(iter(_HELD)), None)
    _HELD[kind, place] = content, held
    return held
