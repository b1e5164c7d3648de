"""Raw data computed by Qlib, instrument by instrument in several processes where it is worth it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
from qlib.config import C
from qlib.data import D
from qlib.data.data import DatasetProvider
from qlib.utils import lazy_sort_index

from wf_dagster.errors import DataError
from wf_dagster.interop.session import ensure

Spread = Callable[[Callable[[Any], pd.DataFrame], Sequence[Any]], list[pd.DataFrame]]
_A_PART = 1000  # series that a process computes at a time: about a second
_WORTH_IT = 3 * _A_PART


def computed(
    loader: Any, instruments: Any, start: Any, end: Any, spread: Spread | None = None
) -> pd.DataFrame:
    """What a plain loader gives, sorted; no value depends on the processes.

    Raises:
        DataError: The instruments select nothing.
    """
    parts = None if spread is None else _parts(loader, instruments)
    if spread is None or parts is None:
        frame = loader.load(instruments, start, end)
    else:
        frame = _joined(spread(partial(_part, loader, start, end), parts))
    if frame.empty:
        raise DataError(
            f"the handler's instruments {instruments!r} select nothing: Qlib's data have no row of "
            "them between its start_time and end_time"
        )
    return cast(pd.DataFrame, lazy_sort_index(frame))


def _part(loader: Any, start: Any, end: Any, instruments: Any) -> pd.DataFrame:
    """The data of some of the instruments, computed by this process alone."""
    ensure()
    kernels = C["kernels"]
    C["kernels"] = 1
    try:
        return cast(pd.DataFrame, loader.load(instruments, start, end))
    finally:
        C["kernels"] = kernels


def _parts(loader: Any, instruments: Any) -> list[Any] | None:
    """The instruments in parts; ``None`` where that is not worth it, or others cannot know them."""
    if C["custom_ops"] or isinstance(loader.freq, Mapping) or type(loader).__module__ == "__main__":
        return None
    if instruments is None or isinstance(instruments, str):
        instruments = D.instruments(instruments or "all", filter_pipe=loader.filter_pipe)
    spans = DatasetProvider.get_instruments_d(instruments, loader.freq)
    names = list(spans)
    series = sum(len(expressions) for expressions, _ in loader.fields.values())
    if len(names) * series < _WORTH_IT:
        return None
    size = max(1, _A_PART // series)
    parts = [names[n : n + size] for n in range(0, len(names), size)]
    return [{n: spans[n] for n in part} for part in parts] if isinstance(spans, dict) else parts


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of different instruments as one; takes them out of the list, to hold little."""
    filled = [frame for frame in frames if len(frame)] or frames[:1]
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
