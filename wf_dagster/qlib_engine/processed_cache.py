"""Processed data of handlers that several rolls share: fitted and processed once.

Qlib's rolling leaves ``fit_start_time`` and ``fit_end_time`` where they are, so that the rolls of
a template usually have one and the same handler.
"""

from __future__ import annotations

import pickle
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from qlib.data.dataset.handler import DataHandler, DataHandlerLP

from wf_dagster.qlib_engine import by_columns
from wf_dagster.qlib_engine.block_processors import at_full_speed
from wf_dagster.qlib_engine.definition import NotPlainError, environment, of_object
from wf_dagster.qlib_engine.frame_tables import UnsuitableError, to_tables
from wf_dagster.qlib_engine.raw_cache import current_version, from_cache, is_plain, raw_key
from wf_dagster.qlib_engine.replay_mask import replay_date
from wf_dagster.qlib_engine.segment_storage import RowsFirst
from wf_dagster.safe_pickle import loads
from wf_dagster.tables import cache
from wf_dagster.tasks import fingerprint as digest

_AS_QLIB = ("setup_data", "fit_process_data", "process_data", "_run_proc_l", "get_all_processors")
_PARTS = ("shared_processors", "infer_processors", "learn_processors")


def processed_key(empty: Any, version: str) -> str | None:
    """A name for the processed data of a handler that has none yet; ``None`` if it has no name.

    Args:
        empty: The handler.
        version: Of Qlib's data (:func:`wf_dagster.qlib_engine.raw_cache.current_version`).
    """
    kind = type(empty)
    if not is_plain(empty.data_loader):
        return None
    if not isinstance(empty, DataHandlerLP) or any(
        getattr(kind, name) is not getattr(DataHandlerLP, name) for name in _AS_QLIB
    ):
        return None
    try:
        asked = empty.instruments, empty.start_time, empty.end_time
        raw = raw_key(empty.data_loader, kind, *asked, version)
        processors = {part: [of_object(p) for p in getattr(empty, part)] for part in _PARTS}
        options = [str(empty.end_time), empty.process_type, empty.drop_raw, str(replay_date())]
        return "qlib-processed-" + digest([raw, environment(), processors, options])
    except NotPlainError:
        return None


def keep_processed(empty: Any) -> None:
    """Fit and process a handler's data and keep them, if they have a name and are not kept yet."""
    version = current_version()
    key = processed_key(empty, version)
    if key is None:
        return
    if _found(f"{key}.learn") and _found(f"{key}.infer"):
        return
    try:
        with ExitStack() as stack:
            infer, learn, states = by_columns.process(empty, stack) or _as_a_whole(empty)
            if current_version() != version:  # the data have changed since they got that name
                return
            infer = [replace(table, note=pickle.dumps(states)) for table in infer]
            for name, tables in (("infer", infer), ("learn", learn)):
                for number, table in enumerate(tables, 1):
                    _keep(f"{key}.{name}.{number}-{len(tables)}", table)
    except UnsuitableError:
        return


def _as_a_whole(
    empty: Any,
) -> tuple[list[cache.Table], list[cache.Table], list[dict[str, Any]]]:
    with from_cache(empty), at_full_speed(empty):
        empty.setup_data()
    states = [vars(processor) for processor in empty.get_all_processors()]
    return to_tables(empty._infer), to_tables(empty._learn), states


def _keep(name: str, table: cache.Table) -> None:
    cache.get(name, lambda: table)


def fill_processed(empty: Any) -> bool:
    """Give a handler the processed data that were kept, if they were."""
    key = processed_key(empty, current_version())
    if key is None:
        return False
    infer, learn = _found(f"{key}.infer"), _found(f"{key}.learn")
    if not infer or not learn:
        return False
    processors = empty.get_all_processors()
    modules = [type(processor).__module__ for processor in processors]
    for processor, state in zip(processors, loads(infer[0].note, key, modules), strict=True):
        vars(processor).update(state)
    if not empty.drop_raw:
        with from_cache(empty):
            DataHandler.setup_data(empty)
    empty._infer, empty._learn = RowsFirst(infer), RowsFirst(learn)
    return True


def _found(name: str) -> list[cache.Table]:
    """The tables of a frame, if all of them are there."""
    names = cache.keys(f"{name}.")
    tables = [table for table in map(cache.find, names) if table is not None]
    whole = bool(names) and len(tables) == int(names[0].rpartition("-")[2])
    return tables if whole else []
