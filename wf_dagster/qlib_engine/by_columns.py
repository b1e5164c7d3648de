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
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from qlib.data.dataset import processor as qlib_processors
from qlib.data.dataset.handler import DataHandlerLP

from wf_dagster.qlib_engine.block_processors import run_processor
from wf_dagster.qlib_engine.frame_tables import (
    UnsuitableError,
    column_names,
    read_frame,
    runs_of_dtype,
)
from wf_dagster.qlib_engine.infinite_values import warn_before, warn_of_rest
from wf_dagster.qlib_engine.raw_cache import find_raw
from wf_dagster.tables.cache import Table, TableCache
from wf_dagster.tables.writer import TableWriter

Processed = tuple[list[Table], list[Table], list[dict[str, Any]]]
_BLOCK = 24 << 20  # bytes of raw data that are processed at a time
_BY_COLUMN = (
    qlib_processors.RobustZScoreNorm,
    qlib_processors.ZScoreNorm,
    qlib_processors.MinMaxNorm,
    qlib_processors.Fillna,
    qlib_processors.CSZScoreNorm,
    qlib_processors.CSRankNorm,
    qlib_processors.CSZFillna,
    qlib_processors.ProcessInf,
)
# others compute all columns in the widest of their types
_IN_OWN_TYPE = (
    qlib_processors.Fillna,
    qlib_processors.CSRankNorm,
    qlib_processors.ProcessInf,
)
_LABEL = "label"


class _MixedError(Exception):
    """Columns of several types meet in one processor."""


@dataclass(eq=False)
class _Step:
    """A processor, and what it becomes: fitted to one block of columns after the other."""

    original: Any
    fitted: dict[int, Any] = field(default_factory=dict)  # by the place of the block
    rows: np.ndarray[Any, Any] | None = None  # those that it leaves, once labels have said so
    dtypes: set[Any] = field(default_factory=set)  # of the columns that it was given

    @property
    def drops(self) -> bool:
        return type(self.original) is qlib_processors.DropnaLabel

    @property
    def group(self) -> Any:
        return getattr(self.original, "fields_group", None)  # ProcessInf takes all columns

    def __call__(self, frame: pd.DataFrame, place: int, group: str) -> pd.DataFrame:
        if self.drops:
            if group == _LABEL:
                self.rows = np.asarray(frame.notna().all(axis=1))
            return frame if self.rows is None or self.rows.all() else frame[self.rows].copy()
        if self.group not in (None, group):
            return frame
        self.dtypes |= set(frame.dtypes)
        if len(self.dtypes) > 1 and type(self.original) not in _IN_OWN_TYPE:
            raise _MixedError
        warn_before(frame, self.original)
        processor = self.fitted[place] = copy.deepcopy(self.original)
        processor.fit(frame)
        return cast(pd.DataFrame, run_processor(frame, processor))

    def state(self) -> dict[str, Any]:
        """What a processor remembers that was fitted to all columns at once."""
        parts: list[dict[str, Any]] = [vars(self.fitted[n]) for n in sorted(self.fitted)]
        if not parts:
            return dict(vars(self.original))
        return {name: _join_values([part[name] for part in parts]) for name in parts[0]}


def _join_values(values: Sequence[Any]) -> Any:
    if isinstance(values[0], np.ndarray):
        return np.concatenate(values)
    if isinstance(values[0], pd.Index):
        return values[0].append(list(values[1:]))
    return values[0]


class _FrameWriter:
    """Writes a frame block by block, as tables of one type each.

    Args:
        folder: That of the cache that is to take the tables.
        stack: When it is left, what was written is removed, if the cache has not taken it.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._writers: list[TableWriter] = []
        self._index: pd.MultiIndex | None = None

    def add(self, frame: pd.DataFrame) -> None:
        self._index = cast(pd.MultiIndex, frame.index)
        for first, last in runs_of_dtype(frame):
            part = frame.iloc[:, first:last]
            dtype = part.dtypes.iloc[0]
            if dtype.kind != "f":
                raise UnsuitableError(frame)
            if not self._writers or self._writers[-1].dtype != dtype:
                self._writers.append(TableWriter(len(frame), dtype, self._folder))
                self._stack.callback(self._writers[-1].discard)
            self._writers[-1].add(part.to_numpy(), column_names(part.columns))

    def tables(self) -> list[Table]:
        assert self._index is not None
        return [writer.table(self._index) for writer in self._writers]


class _Flow:
    """The processors of a handler in the order in which Qlib runs them."""

    def __init__(self, handler: Any) -> None:
        self.shared, self.infer, self.learn = (
            [_Step(processor) for processor in getattr(handler, f"{part}_processors")]
            for part in ("shared", "infer", "learn")
        )
        self.steps = [*self.shared, *self.infer, *self.learn]
        self._kind = handler.process_type

    def works_by_column(self) -> bool:
        """Whether a block of columns can be processed without the others."""
        dropping = [step for step in self.learn if step.drops]
        others = [step for step in self.steps if step not in dropping]
        return (
            self._kind in (DataHandlerLP.PTYPE_I, DataHandlerLP.PTYPE_A)
            and all(type(step.original) in _BY_COLUMN for step in others)
            and all(isinstance(step.group, (str, type(None))) for step in others)
            and all(step.group == _LABEL for step in dropping)
        )

    def groups(self) -> set[str]:
        """The groups of columns that processors name."""
        return {step.group for step in self.steps} - {None}

    def __call__(
        self, frame: pd.DataFrame, place: int, group: str
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """A block of raw data, which may be changed, as data for inference and for learning."""
        for step in self.shared:
            frame = step(frame, place, group)
        learn = frame.copy() if self._kind == DataHandlerLP.PTYPE_I else None
        for step in self.infer:
            frame = step(frame, place, group)
        learn = frame.copy() if learn is None else learn
        for step in self.learn:
            learn = step(learn, place, group)
        return frame, learn


def process(handler: Any, tables: TableCache, stack: ExitStack) -> Processed | None:
    """Fit and process a handler's data; ``None`` where its processors need all columns at once.

    Args:
        handler: One whose loader is plain, without data; no replay date hides any.
        tables: Where its raw data are, and what it becomes is written.
        stack: When it is left, what was written is removed, if the cache has not taken it.

    Returns:
        Data for inference, data for learning, and what the processors have become.

    Raises:
        NotPlainError: The raw data have no name.
        UnsuitableError: A table cannot hold what they become.
    """
    flow = _Flow(handler)
    if not flow.works_by_column():
        return None
    try:
        table, rows = find_raw(handler, tables)
    except UnsuitableError:  # its raw data are of several types; what becomes of them may fit
        return None
    blocks = _split_columns(table, rows)
    if blocks is None or not flow.groups() <= {group for _, group in blocks}:
        return None

    def process_block(place: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        columns, group = blocks[place]
        return flow(read_frame([table], rows, columns), place, group)

    infer, learn = (_FrameWriter(tables.folder, stack) for _ in range(2))
    try:
        # the labels first: they say which rows the others lose
        labels = {n: process_block(n) for n, (_, group) in enumerate(blocks) if group == _LABEL}
        for place in range(len(blocks)):
            to_infer, to_learn = labels.get(place) or process_block(place)
            warn_of_rest(to_infer)
            infer.add(to_infer)
            learn.add(to_learn)
    except _MixedError:
        return None
    return infer.tables(), learn.tables(), [step.state() for step in flow.steps]


def _split_columns(table: Table, rows: slice) -> list[tuple[slice, str]] | None:
    """Neighbouring columns of one group each, the labels in one; ``None`` if groups are mixed."""
    groups = [(group, len(list(names))) for group, names in groupby(c[0] for c in table.columns)]
    if len(dict(groups)) != len(groups) or len(set(table.columns)) != len(table.columns):
        return None
    column_bytes = max(1, (rows.stop - rows.start) * table.values.itemsize)
    return list(_blocks(groups, max(1, _BLOCK // column_bytes)))


def _blocks(groups: Sequence[tuple[str, int]], size: int) -> Iterator[tuple[slice, str]]:
    first = 0
    for group, count in groups:
        step = count if group == _LABEL else size
        for start in range(first, first + count, step):
            yield slice(start, min(start + step, first + count)), group
        first += count
