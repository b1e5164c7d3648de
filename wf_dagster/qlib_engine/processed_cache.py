"""Processed data of handlers that several rolls share: fitted and processed once.

Qlib's rolling leaves ``fit_start_time`` and ``fit_end_time`` where they are, so that the rolls of
a template usually have one and the same handler.
"""

from __future__ import annotations

import pickle
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pandas as pd
from qlib.data.dataset.handler import DataHandler, DataHandlerLP

from wf_dagster.qlib_engine.block_processors import process_in_blocks
from wf_dagster.qlib_engine.by_columns import Processed, process
from wf_dagster.qlib_engine.definition import NotPlainError, describe_environment, describe_object
from wf_dagster.qlib_engine.frame_tables import UnsuitableError, to_tables
from wf_dagster.qlib_engine.raw_cache import current_version, from_cache, is_plain, raw_key
from wf_dagster.qlib_engine.replay_mask import last_moment
from wf_dagster.qlib_engine.segment_storage import SegmentStorage
from wf_dagster.safe_pickle import loads
from wf_dagster.tables.cache import Table, TableCache
from wf_dagster.tasks import fingerprint as digest

_AS_QLIB = ("setup_data", "fit_process_data", "process_data", "_run_proc_l", "get_all_processors")
_PARTS = ("shared_processors", "infer_processors", "learn_processors")


def processed_key(handler: Any, version: str, as_of: pd.Timestamp | None) -> str | None:
    """A name for the processed data of a handler that has none yet; ``None`` if it has no name.

    Args:
        handler: The handler.
        version: Of Qlib's data (:func:`wf_dagster.qlib_engine.raw_cache.current_version`).
        as_of: Replay date.
    """
    kind = type(handler)
    if not is_plain(handler.data_loader):
        return None
    if not isinstance(handler, DataHandlerLP) or any(
        getattr(kind, name) is not getattr(DataHandlerLP, name) for name in _AS_QLIB
    ):
        return None
    try:
        request = handler.instruments, handler.start_time, handler.end_time
        raw = raw_key(handler.data_loader, kind, *request, version)
        processors = {part: [describe_object(p) for p in getattr(handler, part)] for part in _PARTS}
        options = [
            str(handler.end_time),
            handler.process_type,
            handler.drop_raw,
            str(last_moment(as_of)),
        ]
        return "qlib-processed-" + digest([raw, describe_environment(), processors, options])
    except NotPlainError:
        return None


def save_processed(handler: Any, tables: TableCache, as_of: pd.Timestamp | None) -> None:
    """Fit and process a handler's data and cache them, if they have a name and are not there yet.

    Args:
        handler: The handler, without data.
        tables: Where they go.
        as_of: Replay date.
    """
    version = current_version()
    key = processed_key(handler, version, as_of)
    if key is None:
        return
    if _find_tables(tables, f"{key}.learn") and _find_tables(tables, f"{key}.infer"):
        return
    try:
        with ExitStack() as stack:
            processed = process(handler, tables, stack) if as_of is None else None
            infer, learn, states = processed or _process_as_a_whole(handler, tables, as_of)
            if current_version() != version:  # the data have changed since they got that name
                return
            infer = [replace(table, note=pickle.dumps(states)) for table in infer]
            for name, parts in (("infer", infer), ("learn", learn)):
                for number, table in enumerate(parts, 1):
                    _save_table(tables, f"{key}.{name}.{number}-{len(parts)}", table)
    except UnsuitableError:
        return


def _process_as_a_whole(handler: Any, tables: TableCache, as_of: pd.Timestamp | None) -> Processed:
    with from_cache(handler, tables, as_of), process_in_blocks(handler):
        handler.setup_data()
    states = [vars(processor) for processor in handler.get_all_processors()]
    return to_tables(handler._infer), to_tables(handler._learn), states


def _save_table(tables: TableCache, name: str, table: Table) -> None:
    tables.get(name, lambda: table)


def fill_processed(handler: Any, tables: TableCache, as_of: pd.Timestamp | None) -> bool:
    """Give a handler the processed data that are in the cache, if they are.

    Args:
        handler: The handler, without data.
        tables: Where they may be.
        as_of: Replay date.
    """
    key = processed_key(handler, current_version(), as_of)
    if key is None:
        return False
    infer, learn = _find_tables(tables, f"{key}.infer"), _find_tables(tables, f"{key}.learn")
    if not infer or not learn:
        return False
    processors = handler.get_all_processors()
    modules = [type(processor).__module__ for processor in processors]
    for processor, state in zip(processors, loads(infer[0].note, key, modules), strict=True):
        vars(processor).update(state)
    if not handler.drop_raw:
        with from_cache(handler, tables, as_of):
            DataHandler.setup_data(handler)
    handler._infer, handler._learn = SegmentStorage(infer), SegmentStorage(learn)
    return True


def _find_tables(tables: TableCache, name: str) -> list[Table]:
    """The tables of a frame, if all of them are there."""
    names = tables.keys(f"{name}.")
    parts = [table for table in map(tables.find, names) if table is not None]
    is_whole = bool(names) and len(parts) == int(names[0].rpartition("-")[2])
    return parts if is_whole else []
