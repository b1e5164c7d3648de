"""The processed data of a handler, made some columns at a time: never in memory as a whole.

Qlib's processors take a frame with all columns. Most look at each column alone, and rows are
dropped by their labels: then some columns can be read, processed and written before the next.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, cast

import numpy as np
import pandas as pd
from qlib.data.dataset import processor as qlibs
from qlib.data.dataset.handler import DataHandlerLP

from wf_dagster.data import cache
from wf_dagster.data.spool import Spool
from wf_dagster.interop.frames import UnsuitableError, named, read_frame, runs
from wf_dagster.interop.hidden import replay_date
from wf_dagster.interop.processors import processed
from wf_dagster.interop.raw import stored

_BLOCK = 24 << 20  # bytes of raw data that are processed at a time
_ALONE = (
    qlibs.RobustZScoreNorm,
    qlibs.ZScoreNorm,
    qlibs.MinMaxNorm,
    qlibs.Fillna,
    qlibs.CSZScoreNorm,
    qlibs.CSRankNorm,
    qlibs.CSZFillna,
)
_LABEL = "label"


@dataclass
class _Step:
    """A processor, and what it becomes: fitted to one block of columns after the other."""

    original: Any
    fitted: dict[int, Any] = field(default_factory=dict)  # by the place of the block
    kept: np.ndarray[Any, Any] | None = None  # the rows that it leaves, once labels have said so

    @property
    def drops(self) -> bool:
        return type(self.original) is qlibs.DropnaLabel

    def __call__(self, frame: pd.DataFrame, place: int, group: str) -> pd.DataFrame:
        if self.drops:
            if group == _LABEL:
                self.kept = np.asarray(frame.notna().all(axis=1))
            return frame if self.kept is None or self.kept.all() else frame[self.kept].copy()
        if self.original.fields_group not in (None, group):
            return frame
        processor = self.fitted[place] = copy.deepcopy(self.original)
        processor.fit(frame)
        return cast(pd.DataFrame, processed(frame, processor))

    def state(self) -> dict[str, Any]:
        """What a processor remembers that was fitted to all columns at once."""
        parts: list[dict[str, Any]] = [vars(self.fitted[n]) for n in sorted(self.fitted)]
        if not parts:
            return dict(vars(self.original))
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _joined(values: Sequence[Any]) -> Any:
    if isinstance(values[0], np.ndarray):
        return np.concatenate(values)
    if isinstance(values[0], pd.Index):
        return values[0].append(list(values[1:]))
    return values[0]


class _Writer:
    """Tables that are written block by block, of one type each."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._spools: list[Spool] = []

    def add(self, frame: pd.DataFrame) -> None:
        for first, last in runs(frame):
            part = frame.iloc[:, first:last]
            kind = part.dtypes.iloc[0]
            if kind.kind != "f":
                raise UnsuitableError(frame)
            if not self._spools or self._spools[-1].dtype != kind:
                self._spools.append(Spool(len(frame), kind))
                self._stack.callback(self._spools[-1].discard)
            self._spools[-1].add(part.to_numpy(), named(part.columns))

    def tables(self, index: pd.MultiIndex, note: bytes = b"") -> list[cache.Table]:
        return [spool.table(index, note) for spool in self._spools]


@dataclass(frozen=True)
class Processed:
    """Data for inference and for learning, and what the processors have become."""

    infer: _Writer
    learn: _Writer
    infer_index: pd.MultiIndex
    learn_index: pd.MultiIndex
    states: list[dict[str, Any]]


def process(handler: Any, stack: ExitStack) -> Processed | None:
    """Fit and process a handler's data; ``None`` where its processors need all columns at once.

    Args:
        handler: One whose loader is plain, without data.
        stack: When it is left, what was written is removed, if the cache has not taken it.

    Raises:
        NotPlainError: The raw data have no name.
        UnsuitableError: A table cannot hold the data.
    """
    shared, infer, learn = (
        [_Step(processor) for processor in getattr(handler, f"{part}_processors")]
        for part in ("shared", "infer", "learn")
    )
    if replay_date() is not None or not _look_at_columns_alone([*shared, *infer], learn):
        return None
    table, rows = stored(handler)
    blocks = _blocks(table, rows)
    asked = {step.original.fields_group for step in (*shared, *infer, *learn)} - {None}
    if blocks is None or not asked <= {group for _, group in blocks}:
        return None
    index = table.index[rows]
    writers, learn_index = (_Writer(stack), _Writer(stack)), index
    waiting: dict[int, list[pd.DataFrame]] = {}
    places = sorted(range(len(blocks)), key=lambda place: blocks[place][1] != _LABEL)
    written = 0
    for place in places:  # the labels first
        columns, group = blocks[place]
        frame = read_frame([table], rows, columns)
        for step in shared:
            frame = step(frame, place, group)
        start = frame.copy() if handler.process_type == DataHandlerLP.PTYPE_I else None
        for step in infer:
            frame = step(frame, place, group)
        if place != written:
            waiting[place] = [frame.copy()]
        else:
            writers[0].add(frame)
        frame = frame if start is None else start
        for step in learn:
            frame = step(frame, place, group)
        learn_index = cast(pd.MultiIndex, frame.index)
        if place != written:
            waiting[place].append(frame)
            continue
        writers[1].add(frame)
        written += 1
        while written in waiting:
            for writer, made in zip(writers, waiting.pop(written), strict=True):
                writer.add(made)
            written += 1
    states = [step.state() for step in (*shared, *infer, *learn)]
    return Processed(*writers, index, learn_index, states)


def _look_at_columns_alone(before: Sequence[_Step], learn: Sequence[_Step]) -> bool:
    alone = all(
        type(step.original) in _ALONE and isinstance(step.original.fields_group, (str, type(None)))
        for step in (*before, *(step for step in learn if not step.drops))
    )
    return alone and all(s.original.fields_group == _LABEL for s in learn if s.drops)


def _blocks(table: cache.Table, rows: slice) -> list[tuple[slice, str]] | None:
    """Neighbouring columns of one group each, the labels in one; ``None`` if groups are mixed."""
    groups = [(group, len(list(each))) for group, each in groupby(c[0] for c in table.columns)]
    if len(dict(groups)) != len(groups) or len(set(table.columns)) != len(table.columns):
        return None
    each = max(1, (rows.stop - rows.start) * table.values.itemsize)
    return list(_cut(groups, max(1, _BLOCK // each)))


def _cut(groups: Sequence[tuple[str, int]], size: int) -> Iterator[tuple[slice, str]]:
    first = 0
    for group, count in groups:
        step = count if group == _LABEL else size
        for start in range(first, first + count, step):
            yield slice(start, min(start + step, first + count)), group
        first += count
