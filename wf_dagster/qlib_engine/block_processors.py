"""Qlib's processors on whole blocks of columns.

Qlib puts the columns that a processor has changed back one by one, which costs more than the
processor. Values, types and the order in memory are those that Qlib gives, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from qlib.data.dataset import processor as qlib_processors
from qlib.data.dataset.handler import DataHandlerLP

from wf_dagster.qlib_engine.frame_tables import runs_of_dtype
from wf_dagster.qlib_engine.infinite_values import warn_before, warn_of_rest

Values = np.ndarray[Any, np.dtype[Any]]


@contextmanager
def process_in_blocks(handler: Any) -> Iterator[None]:
    """Inside the block a handler's processors run on whole blocks of columns.

    Args:
        handler: A data handler of Qlib's.
    """
    if getattr(type(handler), "_run_proc_l", None) is not DataHandlerLP._run_proc_l:
        yield  # it has a way of its own, or no processors
        return
    handler._run_proc_l = _run_processors
    try:
        yield
        warn_of_rest(getattr(handler, "_infer", None))
    finally:
        vars(handler).pop("_run_proc_l", None)


def _run_processors(
    frame: Any, processors: Sequence[Any], with_fit: bool, check_for_infer: bool
) -> Any:
    """Stands for ``DataHandlerLP._run_proc_l``."""
    for processor in processors:
        if check_for_infer and not processor.is_for_infer():
            return DataHandlerLP._run_proc_l(frame, [processor], with_fit, True)  # it raises
        warn_before(frame, processor)
        if with_fit:
            processor.fit(frame)
        frame = run_processor(frame, processor)
    return frame


def run_processor(frame: Any, processor: Any) -> Any:
    """What a processor of Qlib's, fitted if it has to be, makes of a frame.

    Args:
        frame: Rows ``(datetime, instrument)``; the processor may change it in place.
        processor: A processor.
    """
    in_block = _IN_BLOCKS.get(type(processor))
    if in_block is not None and isinstance(frame, pd.DataFrame):
        changed = in_block(frame, processor)
        if changed is not None:
            return changed
    return processor(frame)


def _robust_z_score(frame: pd.DataFrame, processor: Any) -> pd.DataFrame | None:
    limit = 3.0 if processor.clip_outlier else None
    return _scale(frame, processor.cols, processor.mean_train, processor.std_train, limit)


def _z_score(frame: pd.DataFrame, processor: Any) -> pd.DataFrame | None:
    return _scale(frame, processor.cols, processor.mean_train, processor.std_train)


def _min_max(frame: pd.DataFrame, processor: Any) -> pd.DataFrame | None:
    width = processor.max_val - processor.min_val
    return _scale(frame, processor.cols, processor.min_val, width)


def _scale(
    frame: pd.DataFrame, columns: Any, shift: Values, scale: Values, limit: float | None = None
) -> pd.DataFrame | None:
    def change(values: Values) -> bool:
        if np.result_type(values, shift, scale) != values.dtype:
            return False
        values -= shift
        values /= scale
        if limit is not None:
            np.clip(values, -limit, limit, out=values)
        return True

    return _change_columns(frame, columns, change)


def _fillna(frame: pd.DataFrame, processor: Any) -> pd.DataFrame | None:
    group, filling = processor.fields_group, processor.fill_value
    has_groups = isinstance(frame.columns, pd.MultiIndex) and isinstance(group, str)
    is_number = isinstance(filling, (int, float)) and not isinstance(filling, bool)
    if not has_groups or not is_number or group not in frame.columns.get_level_values(0):
        return None

    def change(values: Values) -> bool:
        if values.dtype.type(filling) != filling:
            return False
        values[np.isnan(values)] = filling
        return True

    return _change_columns(frame, frame.columns[frame.columns.get_loc(group)], change)


def _process_inf(frame: pd.DataFrame, _processor: Any) -> pd.DataFrame | None:
    rows = frame.index
    is_sorted = rows.is_monotonic_increasing and rows.is_unique and "datetime" in rows.names
    if not is_sorted or any(dtype.kind != "f" for dtype in frame.dtypes):
        return None
    days = rows.get_level_values("datetime").to_numpy()
    starts = np.flatnonzero(np.r_[True, days[1:] != days[:-1]])
    ends = np.r_[starts[1:], len(days)]

    def change(values: Values) -> bool:
        for column in values.T:
            infinite = np.flatnonzero(np.isinf(column))
            for day in np.unique(np.searchsorted(starts, infinite, "right") - 1):
                of_day = column[starts[day] : ends[day]]
                is_infinite = np.isinf(of_day)
                # pandas' mean, whose rounding is that of the type of the values
                of_day[is_infinite] = pd.Series(of_day[~is_infinite]).mean()
        return True

    for first, last in runs_of_dtype(frame):
        changed = _change_columns(frame, frame.columns[first:last], change)
        if changed is None:  # not after one that was changed: it does not depend on the type
            return None
        frame = changed
    return frame


_IN_BLOCKS: dict[type, Callable[[pd.DataFrame, Any], pd.DataFrame | None]] = {
    qlib_processors.RobustZScoreNorm: _robust_z_score,
    qlib_processors.ZScoreNorm: _z_score,
    qlib_processors.MinMaxNorm: _min_max,
    qlib_processors.Fillna: _fillna,
    qlib_processors.ProcessInf: _process_inf,
}


def _change_columns(
    frame: pd.DataFrame, columns: Any, change: Callable[[Values], bool]
) -> pd.DataFrame | None:
    """The frame with columns changed, if they are neighbours of one type.

    Args:
        frame: Changed in place where its columns lie together in memory.
        columns: Some of its columns.
        change: Changes values in place; ``False``, before it does, if their type had to change.
    """
    if not frame.columns.is_unique:
        return None
    places = frame.columns.get_indexer(columns)
    first, last = (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
    if first < 0 or not np.array_equal(places, np.arange(first, last)):
        return None
    dtypes = set(frame.dtypes.iloc[first:last])
    if len(dtypes) != 1 or next(iter(dtypes)).kind != "f":
        return None
    values = frame.iloc[:, first:last].to_numpy()
    if np.may_share_memory(values, frame.iloc[:, first].to_numpy()) and values.flags.writeable:
        return frame if change(values) else None
    values = np.array(values, order="F")
    if not change(values):
        return None
    changed = pd.DataFrame(values, index=frame.index, copy=False)
    parts = [frame.iloc[:, :first], changed, frame.iloc[:, last:]]
    whole: pd.DataFrame = pd.concat([p for p in parts if p.shape[1]], axis=1, copy=False)
    whole.columns = frame.columns
    return whole
