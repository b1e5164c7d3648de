"""A copy of prices that only somebody else can read, for all processes that need them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from wf_dagster.errors import DataError
from wf_dagster.moments import format_moment
from wf_dagster.prices.file_checks import check_long_table
from wf_dagster.prices.foreign_frames import to_table
from wf_dagster.prices.text_columns import join_frames
from wf_dagster.settings import get_settings
from wf_dagster.tables.cache import write_text

REPORT_EVERY = 100  # parts


class Unknown(Enum):
    """The mark of a part that is there, of which nothing else is known: what was read stays."""

    MARK = "unknown"


Mark: TypeAlias = str | Unknown | None


@dataclass(frozen=True)
class SpoolOwner:
    """Whose prices a spool holds.

    Attributes:
        source: What they are read from.
        location: The code location that does; empty where that is not known.
    """

    source: str
    location: str = ""

    def is_other(self, owner: SpoolOwner) -> bool:
        """Whether it is somebody else, as far as both are known."""
        if self.source != owner.source:
            return True
        return bool(self.location and owner.location and self.location != owner.location)

    def __str__(self) -> str:
        return f"{self.source} of code location {self.location}" if self.location else self.source


@dataclass(frozen=True)
class SpoolUpdate:
    """What was done to bring a spool up to date.

    Attributes:
        read: The parts that were read.
        gone: The parts whose rows were removed.
        unread: The parts that were never read, as nothing is known of them.
        parts: Number of all parts.
        rows: Number of all rows.
    """

    read: list[str]
    gone: list[str]
    unread: list[str]
    parts: int
    rows: int


@dataclass
class _Record:
    """What is noted beside the prices."""

    owner: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str | None] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)  # of the parts, for the codes of rows
    rows: int = 0
    stamp: list[int] = field(default_factory=list)  # of the file that it belongs to


class PriceSpool:
    """The prices of a name: one Parquet file, replaced as a whole, and what it was read from.

    Prices come in parts, such as the partitions of an asset. Each has a mark that changes with it,
    and is read again only then. What is on disk is one copy of all, whatever was read before.

    Args:
        name: Which prices they are.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = get_settings().home / "cache" / "prices" / quote(name, safe="")
        self.file = self.folder / "prices.parquet"

    def update(
        self,
        owner: SpoolOwner,
        marks: Mapping[str, Mark],
        read: Callable[[str], Any],
        report: Callable[[str], None] = lambda _message: None,
    ) -> SpoolUpdate:
        """Bring it up to date.

        Args:
            owner: Who does.
            marks: By part what changes with it. A part whose mark is ``None`` is always read, one
                whose mark is unknown never: the rows that it had stay. Only a part without a mark
                is gone.
            read: Gives the prices of a part: a frame of pandas, Polars or Arrow with the columns
                ``datetime``, ``instrument``, ``close`` and further fields; without rows, or
                ``None``, where a part has none.
            report: Takes messages of what goes on while it lasts.

        Raises:
            DataError: It belongs to somebody else, or what was read are no prices.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock(report):
            record = self._read_record()
            held = SpoolOwner(**record.owner) if record.owner else owner
            if held.is_other(owner):
                raise DataError(
                    f"the prices {self.name!r} of this home are those of {held}, and {owner} would "
                    "replace them: give these another name, name=..., or let the code locations "
                    "have homes of their own"
                )
            known = record.marks
            sure = {p: mark for p, mark in marks.items() if not isinstance(mark, Unknown)}
            changed = [p for p, mark in sure.items() if mark is None or known.get(p) != mark]
            gone = [part for part in known if part not in marks]
            unread = [part for part in marks if part not in sure and part not in known]
            rows = record.rows
            if changed or gone:
                noted = {p: sure[p] if p in sure else known[p] for p in marks if p not in unread}
                values = _read_parts(changed, read, owner.source, report)
                rows = self._replace(owner, record, noted, values, gone)
            return SpoolUpdate(changed, gone, unread, len(marks), rows)

    @contextmanager
    def _lock(self, report: Callable[[str], None]) -> Iterator[None]:
        lock = FileLock(self.folder / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            report(f"prices {self.name!r}: another run reads them, and this one waits for it")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _replace(
        self,
        owner: SpoolOwner,
        record: _Record,
        marks: Mapping[str, str | None],
        values: Mapping[str, Any],
        gone: list[str],
    ) -> int:
        order, frames, codes = self._kept(record, {*values, *gone})
        for part, value in values.items():
            place = f"{owner.source}, {part}" if part else owner.source
            table = to_table(value, place)
            if part and table.empty:  # a day without trade
                continue
            frames.append(check_long_table(table, place))
            codes.append(np.full(len(table), len(order)))
            order.append(part)
        if not frames:
            raise DataError(f"{owner.source} holds no rows: materialize it with prices first")
        frame = join_frames(frames, owner.source)
        rank = frame.index.argsort()
        frame, code = frame.iloc[rank], np.concatenate(codes)[rank]
        _check_once(frame, order, code, owner.source)
        if not self._holds(frame, record):
            part_file = self.folder / "prices.parquet.part"
            frame.reset_index().to_parquet(part_file, index=False)
            part_file.replace(self.file)
        np.save(self.folder / "parts.npy", code.astype("int32"))
        noted = _Record(
            owner=asdict(owner),
            marks=dict(marks),
            order=order,
            rows=len(frame),
            stamp=_stamp(self.file),
        )
        write_text(self.folder / "spool.json", json.dumps(asdict(noted)))
        return len(frame)

    def _kept(
        self, record: _Record, replaced: set[str]
    ) -> tuple[list[str], list[pd.DataFrame], list[np.ndarray[Any, Any]]]:
        """The parts that stay, their rows as one frame, and of which part each row is."""
        stay = [part for part in record.order if part not in replaced]
        if not stay:
            return [], [], []
        codes = np.load(self.folder / "parts.npy")
        numbers = {part: number for number, part in enumerate(stay)}
        renumbered = np.array([numbers.get(part, -1) for part in record.order])[codes]
        frame = pd.read_parquet(self.file).set_index(["datetime", "instrument"])
        is_kept = renumbered >= 0
        return stay, [frame[is_kept]], [renumbered[is_kept]]

    def _holds(self, frame: pd.DataFrame, record: _Record) -> bool:
        """Whether the file has these prices already: its version then stays."""
        if record.rows != len(frame):
            return False
        return frame.reset_index().equals(pd.read_parquet(self.file))

    def _read_record(self) -> _Record:
        try:
            record = _Record(**json.loads((self.folder / "spool.json").read_text()))
            if record.stamp == _stamp(self.file):
                return record
        except (OSError, ValueError, TypeError):  # never written, or not to its end
            pass
        return _Record()


def _read_parts(
    parts: list[str], read: Callable[[str], Any], source: str, report: Callable[[str], None]
) -> dict[str, Any]:
    if len(parts) > 1:
        report(f"reading {len(parts)} partitions of {source}")
    values = {}
    for number, part in enumerate(parts, start=1):
        values[part] = read(part)
        if number % REPORT_EVERY == 0:
            report(f"{number} of {len(parts)} partitions of {source} read")
    return values


def _check_once(
    frame: pd.DataFrame, order: list[str], codes: np.ndarray[Any, Any], source: str
) -> None:
    twice = frame.index.duplicated()
    if twice.any():
        day, name = frame.index[twice][0]
        rows = np.flatnonzero(frame.index == (day, name))
        holders = " and ".join(dict.fromkeys(order[codes[row]] for row in rows))
        raise DataError(
            f"{source}: {name} on {format_moment(day)} is in more than one partition ({holders}): "
            "keep one row for each datetime and instrument"
        )


def _stamp(file: Path) -> list[int]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]
