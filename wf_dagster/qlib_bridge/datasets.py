"""Datasets of Qlib's: made from their configuration, and filled again after they were loaded."""

from __future__ import annotations

import logging
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pandas as pd
from qlib.data.dataset import Dataset, DatasetH
from qlib.data.dataset.handler import DataHandler, DataHandlerLP
from qlib.utils import class_casting

from wf_dagster.errors import CalendarError, DataError
from wf_dagster.qlib_bridge.calendar import sessions_with_data
from wf_dagster.qlib_bridge.handler_configs import (
    HANDLER,
    check_handler_dates,
    find_handler_config,
    make_empty_handler,
    sharing_key,
    warn_of_midnights,
)
from wf_dagster.qlib_bridge.options import QlibOptions
from wf_dagster.qlib_bridge.session import ensure
from wf_dagster.qlib_engine.block_processors import process_in_blocks
from wf_dagster.qlib_engine.processed_cache import fill_processed, save_processed
from wf_dagster.qlib_engine.raw_cache import from_cache
from wf_dagster.qlib_engine.raw_compute import Spread
from wf_dagster.tasks import canonical_json, init_instance

if TYPE_CHECKING:
    from wf_dagster.market import Market

S = TypeVar("S")
T = TypeVar("T")
_log = logging.getLogger(__name__)
_PICKLE_ERRORS = (
    AttributeError, EOFError, ImportError, KeyError, TypeError, ValueError, pickle.UnpicklingError,
)  # fmt: skip


def make_dataset(config: Any, market: Market) -> Any:
    """The dataset that a configuration describes, as Qlib makes it.

    Raises:
        TaskError: A class cannot be found or does not take the arguments.
        DataError: The handler's data end before a segment starts, or there are none.
    """
    handler = find_handler_config(config)
    if handler is None:
        _warn_of_later_rows(config, market.as_of)
        with _explain_pickle_errors(config):
            dataset = init_instance(config, where="dataset")
    else:
        segments = config["kwargs"].get("segments") or {}
        check_handler_dates(handler, segments)
        warn_of_midnights(handler, segments)
        kwargs = {**config["kwargs"], "handler": make_handler(handler, market)}
        dataset = init_instance({**config, "kwargs": kwargs}, where="dataset")
    if isinstance(dataset, Dataset):
        dataset.config(dump_all=False, recursive=True)  # a recorder keeps what was learnt, no data
    return dataset


def make_handler(config: Mapping[str, Any], market: Market) -> Any:
    """The handler that a configuration describes, its raw data from the cache where possible."""
    as_of = market.as_of
    handler = make_empty_handler(config)
    if handler is None:
        if as_of is None:
            return init_instance(config, where=HANDLER)
        handler = make_empty_handler(config, any_loader=True)
        if handler is None:
            _warn_of_later_rows(config, as_of)
            return init_instance(config, where=HANDLER)
    if not fill_processed(handler, market.tables, as_of):
        with from_cache(handler, market.tables, as_of), process_in_blocks(handler):
            handler.setup_data()
    return handler


def reload(dataset: Any, market: Market, moving: bool = False) -> None:
    """Read a loaded dataset's data, with its processors as they were fitted.

    Args:
        dataset: It was loaded from a recorder.
        market: Whose prices it reads.
        moving: Its dates will move on: raw data are computed from the start of the year to the
            last session, once for all of them.
    """
    handler = getattr(dataset, "handler", None)
    if not isinstance(handler, DataHandler):
        _warn_of_later_rows(type(dataset).__name__, market.as_of)
        dataset.setup_data()
        return
    is_fitted = isinstance(handler, DataHandlerLP)
    since, until = _year_of(handler.start_time, market) if moving else (None, None)
    cached = from_cache(handler, market.tables, market.as_of, since=since, until=until)
    with cached, process_in_blocks(handler):
        dataset.setup_data(handler_kwargs={"init_type": DataHandlerLP.IT_LS} if is_fitted else {})


def _year_of(start: Any, market: Market) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """The first day of a date's year, and the last session of which there are data."""
    try:
        last = sessions_with_data(market.qlib_options)[-1]
    except CalendarError:  # they are not daily
        return None, None
    return None if start is None else pd.Timestamp(pd.Timestamp(start).year, 1, 1), last


def as_frames(dataset: Any) -> AbstractContextManager[Any]:
    """A context in which a dataset that is derived from Qlib's ``DatasetH`` is one."""
    if not isinstance(dataset, DatasetH):
        return nullcontext()
    return cast(AbstractContextManager[Any], class_casting(dataset, DatasetH))


def warm(configs: Iterable[Any], market: Market, spread: Spread | None = None) -> float:
    """Make sure that what datasets share is in the cache; returns the seconds it took.

    Handlers that differ only in where they end share one computation of raw data, up to the latest
    end; those that do not differ at all are processed once as well.

    Args:
        configs: Of the datasets.
        market: Whose prices they read.
        spread: Calls a function for each of many items, in several processes.
    """
    started = time.perf_counter()
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for handler in filter(None, map(find_handler_config, configs)):
        groups.setdefault(sharing_key(handler), []).append(handler)
    qlib_spread = None if spread is None else QlibSpread(spread, market.qlib_options)
    for handlers in groups.values():
        _warm_raw(handlers, market, qlib_spread)
        counts = Counter(map(canonical_json, handlers))
        for text, same in {canonical_json(handler): handler for handler in handlers}.items():
            if counts[text] > 1:
                _warm_processed(same, market)
    return time.perf_counter() - started


def _warm_raw(handlers: Sequence[Mapping[str, Any]], market: Market, spread: Spread | None) -> None:
    ends = [handler["kwargs"].get("end_time") for handler in handlers]
    until = None if None in ends else max(map(pd.Timestamp, ends))
    last = max(range(len(ends)), key=lambda n: (ends[n] is None, pd.Timestamp(ends[n] or 0)))
    handler = make_empty_handler(handlers[last])
    if handler is not None:
        with from_cache(handler, market.tables, market.as_of, until=until, spread=spread):
            handler.data_loader.load(handler.instruments, handler.start_time, handler.end_time)


def _warm_processed(config: Mapping[str, Any], market: Market) -> None:
    handler = make_empty_handler(config)
    if handler is not None:
        save_processed(handler, market.tables, market.as_of)


@dataclass(frozen=True)
class QlibSpread:
    """A spread whose processes have initialised Qlib before they call the function."""

    spread: Spread
    options: QlibOptions

    def __call__(
        self, function: Callable[[S], T], items: Sequence[S], most: int | None = None
    ) -> list[T]:
        """What the function gives for each item, in their order."""
        return self.spread(partial(_call_with_qlib, self.options, function), items, most)


def _call_with_qlib(options: QlibOptions, function: Callable[[S], T], item: S) -> T:
    ensure(options)
    return function(item)


def _warn_of_later_rows(config: Any, as_of: pd.Timestamp | None) -> None:
    """Say that a replay date has no power over what loads its data by itself."""
    if as_of is not None:
        name = config.get("class", config) if isinstance(config, Mapping) else config
        _log.warning(
            "%s loads its data by itself: the replay date %s hides none of them", name, as_of.date()
        )


@contextmanager
def _explain_pickle_errors(config: Any) -> Iterator[None]:
    """Inside the block, errors say what is wrong with a handler that is a pickle."""
    kwargs = (config.get("kwargs") or {}) if isinstance(config, Mapping) else {}
    handler = kwargs.get("handler")
    file = str(handler).removeprefix("file://") if isinstance(handler, (str, Path)) else ""
    if not file.endswith((".pkl", ".pickle")):
        yield
        return
    if not Path(file).exists():
        raise DataError(f"{HANDLER} is {file!r}, which is not there")
    try:
        yield
    except _PICKLE_ERRORS as error:
        raise DataError(
            f"{HANDLER} {file!r} cannot be loaded ({type(error).__name__}: {error}): "
            f"pickles fit the versions they were made with, here pandas {pd.__version__}; "
            "make it anew, or write the handler's configuration in its place"
        ) from error
