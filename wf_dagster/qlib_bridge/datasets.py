"""Datasets of Qlib's: made from their configuration, and filled again after they were loaded."""

from __future__ import annotations

import logging
import pickle
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, cast

import pandas as pd
from qlib.data.dataset import Dataset, DatasetH
from qlib.data.dataset.handler import DataHandler, DataHandlerLP
from qlib.utils import class_casting

from wf_dagster.errors import CalendarError, DataError
from wf_dagster.qlib_bridge.calendar import known_sessions
from wf_dagster.qlib_bridge.handler_configs import (
    HANDLER,
    check_times,
    family,
    handler_config,
    without_data,
)
from wf_dagster.qlib_engine.block_processors import at_full_speed
from wf_dagster.qlib_engine.processed_cache import fill_processed, keep_processed
from wf_dagster.qlib_engine.raw_cache import from_cache
from wf_dagster.qlib_engine.raw_compute import Spread
from wf_dagster.qlib_engine.replay_mask import replay_date
from wf_dagster.tasks import canonical_json, init_instance

_log = logging.getLogger(__name__)
_PICKLE_TROUBLE = (AttributeError, EOFError, ImportError, KeyError, TypeError, ValueError)


def make_dataset(config: Any) -> Any:
    """The dataset that a configuration describes, as Qlib makes it.

    Raises:
        TaskError: A class cannot be found or does not take the arguments.
        DataError: The handler's data end before a segment starts, or there are none.
    """
    handler = handler_config(config)
    if handler is None:
        _warn_of_later_rows(config)
        with _told(config):
            made = init_instance(config, where="dataset")
    else:
        segments = config["kwargs"].get("segments") or {}
        check_times(handler, segments)
        ready = make_handler(handler)
        made = init_instance(
            {**config, "kwargs": {**config["kwargs"], "handler": ready}}, where="dataset"
        )
    if isinstance(made, Dataset):
        made.config(dump_all=False, recursive=True)  # a recorder keeps what was learnt, no data
    return made


def make_handler(config: Mapping[str, Any]) -> Any:
    """The handler that a configuration describes, its raw data from the cache where possible."""
    empty = without_data(config)
    if empty is None:
        if replay_date() is None:
            return init_instance(config, where=HANDLER)
        empty = without_data(config, any_loader=True)
        if empty is None:
            _warn_of_later_rows(config)
            return init_instance(config, where=HANDLER)
    if not fill_processed(empty):
        with from_cache(empty), at_full_speed(empty):
            empty.setup_data()
    return empty


def reload(dataset: Any, moving: bool = False) -> None:
    """Read a loaded dataset's data, with its processors as they were fitted.

    Args:
        dataset: It was loaded from a recorder.
        moving: Its dates will move on: raw data are computed from the start of the year to the
            last session, once for all of them.
    """
    handler = getattr(dataset, "handler", None)
    if not isinstance(handler, DataHandler):
        _warn_of_later_rows(type(dataset).__name__)
        dataset.setup_data()
        return
    fitted = isinstance(handler, DataHandlerLP)
    since, until = _year_of(handler.start_time) if moving else (None, None)
    with from_cache(handler, until, since=since), at_full_speed(handler):
        dataset.setup_data(handler_kwargs={"init_type": DataHandlerLP.IT_LS} if fitted else {})


def _year_of(start: Any) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """The first day of a date's year, and the last session of which there are data."""
    try:
        last = known_sessions()[-1]
    except CalendarError:  # they are not daily
        return None, None
    return None if start is None else pd.Timestamp(pd.Timestamp(start).year, 1, 1), last


def casting(dataset: Any) -> AbstractContextManager[Any]:
    """A context in which a dataset that is derived from Qlib's ``DatasetH`` is one."""
    if not isinstance(dataset, DatasetH):
        return nullcontext()
    return cast(AbstractContextManager[Any], class_casting(dataset, DatasetH))


def warm(configs: Iterable[Any], spread: Spread | None = None) -> float:
    """Make sure that what datasets share is in the cache; returns the seconds it took.

    Handlers that differ only in where they end share one computation of raw data, up to the latest
    end; those that do not differ at all are processed once as well.

    Args:
        configs: Of the datasets.
        spread: Calls a function for each of many items, in several processes.
    """
    started = time.perf_counter()
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for config in configs:
        handler = handler_config(config)
        if handler is not None:
            groups.setdefault(family(handler), []).append(handler)
    for handlers in groups.values():
        _warm(handlers, spread)
        counts = Counter(canonical_json(one) for one in handlers)
        for one in {canonical_json(one): one for one in handlers}.values():
            if counts[canonical_json(one)] > 1:
                _process(one)
    return time.perf_counter() - started


def _process(handler: Mapping[str, Any]) -> None:
    empty = without_data(handler)
    if empty is not None:
        keep_processed(empty)


def _warm(handlers: Sequence[Mapping[str, Any]], spread: Spread | None) -> None:
    ends = [handler["kwargs"].get("end_time") for handler in handlers]
    until = None if None in ends else max(map(pd.Timestamp, ends))
    last = handlers[
        max(range(len(ends)), key=lambda n: (ends[n] is None, pd.Timestamp(ends[n] or 0)))
    ]
    empty = without_data(last)
    if empty is not None:
        with from_cache(empty, until, spread):
            empty.data_loader.load(empty.instruments, empty.start_time, empty.end_time)


def _warn_of_later_rows(config: Any) -> None:
    """Say that a replay date has no power over what loads its data by itself."""
    if date := replay_date():
        named = config.get("class", config) if isinstance(config, Mapping) else config
        _log.warning(
            "%s loads its data by itself: the replay date %s hides none of them", named, date.date()
        )


class _told:  # noqa: N801  # reads as a word
    """Says what is wrong with a handler that is a pickle."""

    def __init__(self, config: Any) -> None:
        handler = (config.get("kwargs") or {}).get("handler") if isinstance(config, Mapping) else ""
        text = handler if isinstance(handler, (str, Path)) else ""
        self.file = str(text).removeprefix("file://")

    def __enter__(self) -> None:
        if self.file and self.file.endswith((".pkl", ".pickle")) and not Path(self.file).exists():
            raise DataError(f"{HANDLER} is {self.file!r}, which is not there")

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        known = isinstance(error, (*_PICKLE_TROUBLE, pickle.UnpicklingError))
        if self.file.endswith((".pkl", ".pickle")) and known:
            raise DataError(
                f"{HANDLER} {self.file!r} cannot be loaded ({type(error).__name__}: {error}): "
                f"pickles fit the versions they were made with, here pandas {pd.__version__}; "
                "make it anew, or write the handler's configuration in its place"
            ) from error
