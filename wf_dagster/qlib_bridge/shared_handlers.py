"""Handlers that a script of Qlib's sets up itself, with the tables that this project's tasks share.

A handler of a task is made by :func:`wf_dagster.qlib_bridge.datasets.make_handler`; one that a
script makes with Qlib's own functions gets its data where Qlib loads them. The values are to the
bit those that Qlib computes, and they are frames, as a script may look at them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
from qlib.data.dataset.handler import DataHandler, DataHandlerLP

from wf_dagster.errors import WfError
from wf_dagster.moments import to_day
from wf_dagster.process import replace_attribute
from wf_dagster.qlib_engine.block_processors import process_in_blocks
from wf_dagster.qlib_engine.processed_cache import fill_processed, save_processed
from wf_dagster.qlib_engine.raw_cache import check_request, from_cache, is_plain
from wf_dagster.settings import get_settings
from wf_dagster.tables.cache import TableCache

_log = logging.getLogger(__name__)
_undo: list[Callable[[], None]] = []
_load, _load_and_process = DataHandler.setup_data, DataHandlerLP.setup_data


def install() -> None:
    """Have handlers that Qlib sets up take their data from the shared tables, until undone.

    ``DataHandler.setup_data`` is where each of them loads; Qlib has no other way in.
    """
    if not _undo:
        _undo.append(replace_attribute(DataHandler, "setup_data", _load_shared))
        _undo.append(replace_attribute(DataHandlerLP, "setup_data", _load_and_process_shared))


def uninstall() -> None:
    """Have Qlib's handlers compute their data again."""
    while _undo:
        _undo.pop()()


@contextmanager
def handlers_shared() -> Iterator[None]:
    """A block in which handlers take their data from the shared tables."""
    is_installed = bool(_undo)
    install()
    try:
        yield
    finally:
        if not is_installed:
            uninstall()


def _load_shared(self: Any, *args: Any, **kwargs: Any) -> None:
    """Stands for ``DataHandler.setup_data``."""
    if not _is_shareable(self):
        _load(self, *args, **kwargs)
        return
    with from_cache(self, _tables(), _replay_date()):
        _load(self, *args, **kwargs)


def _load_and_process_shared(
    self: Any, init_type: str = DataHandlerLP.IT_FIT_SEQ, **kwargs: Any
) -> None:
    """Stands for ``DataHandlerLP.setup_data``."""
    if not _is_shareable(self):
        _load_and_process(self, init_type, **kwargs)
        return
    is_anew = init_type == DataHandlerLP.IT_FIT_SEQ and not kwargs
    if is_anew and _fill_shared(self, _tables(), _replay_date()):
        return
    with process_in_blocks(self):
        _load_and_process(self, init_type, **kwargs)


def _fill_shared(handler: Any, tables: TableCache, as_of: pd.Timestamp | None) -> bool:
    """Give a handler its processed data from the tables, written now unless they are there."""
    try:
        save_processed(handler, tables, as_of)
    except OSError as error:
        _log.warning("processed data are not shared, as they cannot be written: %s", error)
        return False
    if not fill_processed(handler, tables, as_of):
        return False
    # frames, as a script may look at them: rolls of a task read segments of the tables instead
    handler._infer, handler._learn = handler._infer.df, handler._learn.df
    return True


def _is_shareable(handler: Any) -> bool:
    """Whether there is anything to share, and the data are as this project's tasks have them."""
    if not is_plain(handler.data_loader):
        return False
    try:
        check_request(handler.data_loader, handler.instruments)
    except WfError as error:  # Qlib may go on without what is not there
        _log.warning("%s: Qlib loads its data itself", error)
        return False
    return True


def _tables() -> TableCache:
    return TableCache(get_settings().make_home() / "cache" / "features")


def _replay_date() -> pd.Timestamp | None:
    date = get_settings().replay_date()
    return to_day(date) if date else None
