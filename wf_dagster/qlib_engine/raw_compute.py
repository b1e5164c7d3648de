"""Raw data of a plain loader, some instruments at a time, in several processes if need be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar, cast

import numpy as np
import pandas as pd
from qlib.config import C
from qlib.data import D
from qlib.data.data import DatasetProvider
from qlib.utils import lazy_sort_index

from wf_dagster.errors import DataError
from wf_dagster.qlib_engine.column_chunks import ColumnChunk, are_alike, join_chunks
from wf_dagster.qlib_engine.expressions import compute_features, is_local
from wf_dagster.qlib_engine.frame_tables import to_table
from wf_dagster.tables.cache import PART, Table

S = TypeVar("S")
T = TypeVar("T")
_PART_VALUES = 4_000_000  # values that a process computes at a time: a quarter of a second
_QLIB_FACTOR = 6  # times as long as it takes Qlib for the same
_PROCESS_VALUES = 64_000_000  # values that are worth the memory of another process


class Spread(Protocol):
    """Calls a function for each of many items, in several processes in which Qlib is ready."""

    def __call__(
        self, function: Callable[[S], T], items: Sequence[S], most: int | None = None
    ) -> list[T]:
        """What it gives, in their order; ``most`` processes work at once."""


def compute_table(
    loader: Any,
    instruments: Any,
    start: Any,
    end: Any,
    folder: Path,
    spread: Spread | None = None,
) -> Table:
    """What a plain loader gives, sorted; no value depends on the parts or the processes.

    What is computed in parts is never in memory as a whole.

    Args:
        loader: The loader.
        instruments: As the loader takes them, like the dates.
        start: First date.
        end: Last date.
        folder: Where the table is written; that of the cache that is to take it.
        spread: Calls a function for each of many items, in several processes.

    Raises:
        DataError: The instruments select nothing.
        UnsuitableError: A table cannot hold it.
    """
    if isinstance(loader.freq, Mapping):
        return to_table(compute_frame(loader, instruments, start, end))
    parts, values = _split_instruments(loader, instruments, start, end)
    if len(parts) == 1:
        return to_table(compute_frame(loader, instruments, start, end))
    # what is defined in this process only, others do not know
    stays_here = C["custom_ops"] or type(loader).__module__ == "__main__"
    most = 1 if stays_here else values // _PROCESS_VALUES
    with TemporaryDirectory(dir=folder, prefix=PART) as part_folder:
        compute = partial(_compute_to_file, loader, start, end, Path(part_folder))
        items = list(enumerate(parts))
        if spread is None or most < 2:
            results = [compute(item) for item in items]
        else:
            results = spread(compute, items, most)
        chunks = [part for part in results if isinstance(part, ColumnChunk)]
        filled = [chunk for chunk in chunks if len(chunk.index)]
        if filled and len(chunks) == len(results) and are_alike(filled):
            return join_chunks(filled, folder)
        frames = [part.frame() if isinstance(part, ColumnChunk) else part for part in results]
    return to_table(_sort(_join_frames(frames), instruments))


def compute_frame(loader: Any, instruments: Any, start: Any, end: Any) -> pd.DataFrame:
    """What a plain loader gives, sorted, as a frame.

    Raises:
        DataError: The instruments select nothing.
    """
    if isinstance(loader.freq, Mapping):
        return _sort(loader.load(instruments, start, end), instruments)
    parts, _ = _split_instruments(loader, instruments, start, end)
    frames = [_compute_part(loader, start, end, part) for part in parts]
    return _sort(_join_frames(frames), instruments)


def _sort(frame: pd.DataFrame, instruments: Any) -> pd.DataFrame:
    if frame.empty:
        raise DataError(
            f"the handler's instruments {instruments!r} select nothing: Qlib's data have no row of "
            "them between its start_time and end_time"
        )
    return cast(pd.DataFrame, lazy_sort_index(frame))


def _compute_to_file(
    loader: Any, start: Any, end: Any, folder: Path, item: tuple[int, Any]
) -> ColumnChunk | pd.DataFrame:
    """The data of some of the instruments, in a file if they can be."""
    number, instruments = item
    frame = _compute_part(loader, start, end, instruments)
    return ColumnChunk.of(frame, folder / str(number)) or frame


def _compute_part(loader: Any, start: Any, end: Any, instruments: Any) -> pd.DataFrame:
    """The data of some of the instruments, computed by this process alone."""
    if is_local() and not loader.inst_processors:
        names = [(group, name) for group, (_, names) in loader.fields.items() for name in names]
        fields = [field for expressions, _ in loader.fields.values() for field in expressions]
        frame = compute_features(instruments, fields, start, end, loader.freq)
        if frame is not None:
            frame.columns = pd.MultiIndex.from_tuples(names)
            return frame
    kernels = C["kernels"]
    C["kernels"] = 1
    try:
        return cast(pd.DataFrame, loader.load(instruments, start, end))
    finally:
        C["kernels"] = kernels


def _split_instruments(
    loader: Any, instruments: Any, start: Any, end: Any
) -> tuple[list[Any], int]:
    """The instruments in parts, and how many values they have; what Qlib computes counts more."""
    spans = find_spans(loader, instruments)
    names = list(dict.fromkeys(spans))
    values = max(1, count_series(loader) * len(D.calendar(start, end, freq=loader.freq)))
    if not is_local() or loader.inst_processors:
        values *= _QLIB_FACTOR
    size = max(1, _PART_VALUES // values)
    parts = [names[n : n + size] for n in range(0, len(names), size)] or [names]
    if isinstance(spans, dict):
        return [{name: spans[name] for name in part} for part in parts], len(names) * values
    return list(parts), len(names) * values


def find_spans(loader: Any, instruments: Any) -> Any:
    """The instruments that a plain loader loads, by name where they have dates."""
    if instruments is None or isinstance(instruments, str):
        instruments = D.instruments(instruments or "all", filter_pipe=loader.filter_pipe)
    return DatasetProvider.get_instruments_d(instruments, loader.freq)


def count_series(loader: Any) -> int:
    """The number of columns that a plain loader gives."""
    return sum(len(expressions) for expressions, _ in loader.fields.values())


def _join_frames(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of different instruments as one; takes them out of the list, to hold little."""
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    if len(filled) == 1:
        return filled[0]
    frames.clear()
    index = filled[0].index.append([frame.index for frame in filled[1:]])
    order = index.argsort()  # unique: each instrument is in one frame
    columns, dtypes = filled[0].columns, {dtype for frame in filled for dtype in frame.dtypes}
    if len(dtypes) != 1:
        return pd.concat(filled).iloc[order]
    places = np.empty(len(order), dtype=np.intp)
    places[order] = np.arange(len(order))
    values = np.empty((len(order), len(columns)), dtype=dtypes.pop(), order="F")
    first = 0
    while filled:
        frame = filled.pop(0)
        values[places[first : first + len(frame)]] = frame.to_numpy()
        first += len(frame)
    return pd.DataFrame(values, index=index.take(order), columns=columns, copy=False)
