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
from wf_dagster.qlib_bridge.session import ensure
from wf_dagster.qlib_engine.column_chunks import Piece, are_alike, together
from wf_dagster.qlib_engine.expressions import features, is_local
from wf_dagster.qlib_engine.frame_tables import to_table
from wf_dagster.tables import cache

S = TypeVar("S")
T = TypeVar("T")
_A_PART = 4_000_000  # values that a process computes at a time: a quarter of a second
_BY_QLIB = 6  # times as long as it takes Qlib for the same
_A_PROCESS = 64_000_000  # values that are worth the memory of another process


class Spread(Protocol):
    """Calls a function for each of many items, in several processes."""

    def __call__(
        self, function: Callable[[S], T], items: Sequence[S], most: int | None = None
    ) -> list[T]:
        """What it gives, in their order; ``most`` processes work at once."""


def computed_table(
    loader: Any, instruments: Any, start: Any, end: Any, spread: Spread | None = None
) -> cache.Table:
    """What a plain loader gives, sorted; no value depends on the parts or the processes.

    What is computed in parts is never in memory as a whole.

    Raises:
        DataError: The instruments select nothing.
        UnsuitableError: A table cannot hold it.
    """
    if isinstance(loader.freq, Mapping):
        return to_table(computed(loader, instruments, start, end))
    parts, values = _parts(loader, instruments, start, end)
    if len(parts) == 1:
        return to_table(computed(loader, instruments, start, end))
    far = C["custom_ops"] or type(loader).__module__ == "__main__"  # others do not know them
    most = 1 if far else values // _A_PROCESS
    with TemporaryDirectory(dir=cache.folder(), prefix=cache.PART) as folder:
        part = partial(_kept, loader, start, end, Path(folder))
        items = list(enumerate(parts))
        made = [part(i) for i in items] if spread is None or most < 2 else spread(part, items, most)
        pieces = [one for one in made if isinstance(one, Piece) and len(one.index)]
        others = [one for one in made if not isinstance(one, Piece)]
        if pieces and not others and are_alike(pieces):
            return together(pieces)
        frames = [one.frame() if isinstance(one, Piece) else one for one in made]
    return to_table(_sorted(_joined(frames), instruments))


def computed(loader: Any, instruments: Any, start: Any, end: Any) -> pd.DataFrame:
    """What a plain loader gives, sorted, as a frame.

    Raises:
        DataError: The instruments select nothing.
    """
    if isinstance(loader.freq, Mapping):
        return _sorted(loader.load(instruments, start, end), instruments)
    parts, _ = _parts(loader, instruments, start, end)
    return _sorted(_joined([_part(loader, start, end, part) for part in parts]), instruments)


def _sorted(frame: pd.DataFrame, instruments: Any) -> pd.DataFrame:
    if frame.empty:
        raise DataError(
            f"the handler's instruments {instruments!r} select nothing: Qlib's data have no row of "
            "them between its start_time and end_time"
        )
    return cast(pd.DataFrame, lazy_sort_index(frame))


def _kept(
    loader: Any, start: Any, end: Any, folder: Path, item: tuple[int, Any]
) -> Piece | pd.DataFrame:
    """The data of some of the instruments, in a file if they can be."""
    number, instruments = item
    frame = _part(loader, start, end, instruments)
    return Piece.of(frame, folder / str(number)) or frame


def _part(loader: Any, start: Any, end: Any, instruments: Any) -> pd.DataFrame:
    """The data of some of the instruments, computed by this process alone."""
    ensure()
    if is_local() and not loader.inst_processors:
        names = [(group, name) for group, (_, each) in loader.fields.items() for name in each]
        fields = [one for expressions, _ in loader.fields.values() for one in expressions]
        frame = features(instruments, fields, start, end, loader.freq)
        if frame is not None:
            frame.columns = pd.MultiIndex.from_tuples(names)
            return frame
    kernels = C["kernels"]
    C["kernels"] = 1
    try:
        return cast(pd.DataFrame, loader.load(instruments, start, end))
    finally:
        C["kernels"] = kernels


def _parts(loader: Any, instruments: Any, start: Any, end: Any) -> tuple[list[Any], int]:
    """The instruments in parts, and how many values they have; what Qlib computes counts more."""
    spans = spans_of(loader, instruments)
    names = list(dict.fromkeys(spans))
    each = max(1, series_of(loader) * len(D.calendar(start, end, freq=loader.freq)))
    if not is_local() or loader.inst_processors:
        each *= _BY_QLIB
    size = max(1, _A_PART // each)
    parts = [names[n : n + size] for n in range(0, len(names), size)] or [names]
    if isinstance(spans, dict):
        return [{n: spans[n] for n in part} for part in parts], len(names) * each
    return list(parts), len(names) * each


def spans_of(loader: Any, instruments: Any) -> Any:
    """The instruments that a plain loader loads, by name where they have dates."""
    if instruments is None or isinstance(instruments, str):
        instruments = D.instruments(instruments or "all", filter_pipe=loader.filter_pipe)
    return DatasetProvider.get_instruments_d(instruments, loader.freq)


def series_of(loader: Any) -> int:
    """The number of columns that a plain loader gives."""
    return sum(len(expressions) for expressions, _ in loader.fields.values())


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of different instruments as one; takes them out of the list, to hold little."""
    filled = [frame for frame in frames if len(frame)] or frames[:1]
    if len(filled) == 1:
        return filled[0]
    frames.clear()
    index = filled[0].index.append([frame.index for frame in filled[1:]])
    order = index.argsort()  # unique: each instrument is in one frame
    columns, kinds = filled[0].columns, {kind for frame in filled for kind in frame.dtypes}
    if len(kinds) != 1:
        return pd.concat(filled).iloc[order]
    places = np.empty(len(order), dtype=np.intp)
    places[order] = np.arange(len(order))
    values = np.empty((len(order), len(columns)), dtype=kinds.pop(), order="F")
    first = 0
    while filled:
        frame = filled.pop(0)
        values[places[first : first + len(frame)]] = frame.to_numpy()
        first += len(frame)
    return pd.DataFrame(values, index=index.take(order), columns=columns, copy=False)
