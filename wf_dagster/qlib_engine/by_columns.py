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

from wf_dagster.qlib_engine.block_processors import processed
from wf_dagster.qlib_engine.frame_tables import UnsuitableError, named, read_frame, runs
from wf_dagster.qlib_engine.raw_cache import stored
from wf_dagster.qlib_engine.replay_mask import replay_date
from wf_dagster.tables import cache
from wf_dagster.tables.writer import TableWriter

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
_EACH_IN_ITS_TYPE = (qlibs.Fillna, qlibs.CSRankNorm)  # others compute all in the widest
_LABEL = "label"


class _MixedError(Exception):
    """Columns of several types meet in one processor."""


@dataclass(eq=False)
class _Step:
    """A processor, and what it becomes: fitted to one block of columns after the other."""

    original: Any
    fitted: dict[int, Any] = field(default_factory=dict)  # by the place of the block
    kept: np.ndarray[Any, Any] | None = None  # the rows that it leaves, once labels have said so
    kinds: set[Any] = field(default_factory=set)  # the types of the columns that it was given

    @property
    def drops(self) -> bool:
        return type(self.original) is qlibs.DropnaLabel

    @property
    def group(self) -> Any:
        return self.original.fields_group

    def __call__(self, frame: pd.DataFrame, place: int, group: str) -> pd.DataFrame:
        if self.drops:
            if group == _LABEL:
                self.kept = np.asarray(frame.notna().all(axis=1))
            return frame if self.kept is None or self.kept.all() else frame[self.kept].copy()
        if self.group not in (None, group):
            return frame
        self.kinds |= set(frame.dtypes)
        if len(self.kinds) > 1 and type(self.original) not in _EACH_IN_ITS_TYPE:
            raise _MixedError
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
        self._spools: list[TableWriter] = []
        self._index: pd.MultiIndex | None = None

    def add(self, frame: pd.DataFrame) -> None:
        self._index = cast(pd.MultiIndex, frame.index)
        for first, last in runs(frame):
            part = frame.iloc[:, first:last]
            kind = part.dtypes.iloc[0]
            if kind.kind != "f":
                raise UnsuitableError(frame)
            if not self._spools or self._spools[-1].dtype != kind:
                self._spools.append(TableWriter(len(frame), kind))
                self._stack.callback(self._spools[-1].discard)
            self._spools[-1].add(part.to_numpy(), named(part.columns))

    def tables(self) -> list[cache.Table]:
        assert self._index is not None
        return [spool.table(self._index) for spool in self._spools]


class _Flow:
    """The processors of a handler in the order in which Qlib runs them."""

    def __init__(self, handler: Any) -> None:
        self.shared, self.infer, self.learn = (
            [_Step(processor) for processor in getattr(handler, f"{part}_processors")]
            for part in ("shared", "infer", "learn")
        )
        self.steps = [*self.shared, *self.infer, *self.learn]
        self._kind = handler.process_type

    def looks_at_columns_alone(self) -> bool:
        """Whether a block of columns can be processed without the others."""
        dropping = [step for step in self.learn if step.drops]
        others = [step for step in self.steps if step not in dropping]
        return (
            self._kind in (DataHandlerLP.PTYPE_I, DataHandlerLP.PTYPE_A)
            and all(type(step.original) in _ALONE for step in others)
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


def process(
    handler: Any, stack: ExitStack
) -> tuple[list[cache.Table], list[cache.Table], list[dict[str, Any]]] | None:
    """Fit and process a handler's data; ``None`` where its processors need all columns at once.

    Args:
        handler: One whose loader is plain, without data.
        stack: When it is left, what was written is removed, if the cache has not taken it.

    Returns:
        Data for inference, data for learning, and what the processors have become.

    Raises:
        NotPlainError: The raw data have no name.
        UnsuitableError: A table cannot hold what they become.
    """
    flow = _Flow(handler)
    if replay_date() is not None or not flow.looks_at_columns_alone():
        return None
    try:
        table, rows = stored(handler)
    except UnsuitableError:  # its raw data are of several types; what becomes of them may fit
        return None
    blocks = _blocks(table, rows)
    if blocks is None or not flow.groups() <= {group for _, group in blocks}:
        return None

    def made(place: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        columns, group = blocks[place]
        return flow(read_frame([table], rows, columns), place, group)

    infer, learn = _Writer(stack), _Writer(stack)
    try:
        # the labels first: they say which rows the others lose
        known = {place: made(place) for place, (_, group) in enumerate(blocks) if group == _LABEL}
        for place in range(len(blocks)):
            to_infer, to_learn = known.get(place) or made(place)
            infer.add(to_infer)
            learn.add(to_learn)
    except _MixedError:
        return None
    return infer.tables(), learn.tables(), [step.state() for step in flow.steps]


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
