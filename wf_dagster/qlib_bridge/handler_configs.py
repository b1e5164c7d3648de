"""Handlers in the configurations of Qlib's datasets."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd
from qlib.data.dataset import DatasetH
from qlib.data.dataset.handler import DataHandler

from wf_dagster.calendars import split_segment
from wf_dagster.dates import refuse_ambiguous
from wf_dagster.errors import CalendarError, DataError
from wf_dagster.imports.module_files import with_module_names
from wf_dagster.moments import format_moment, is_midnight, names_day, to_stamp
from wf_dagster.qlib_bridge.options import DAILY, name_of
from wf_dagster.qlib_engine.provider_files import is_intraday
from wf_dagster.qlib_engine.raw_cache import is_plain
from wf_dagster.tasks import canonical_json
from wf_dagster.tasks.config import find_class

_log = logging.getLogger(__name__)
HANDLER = "dataset.kwargs.handler"
_OWN_TO_A_ROLL = ("end_time", "fit_start_time", "fit_end_time")


def find_handler_config(config: Any) -> dict[str, Any] | None:
    """The configuration of the handler, if the dataset is Qlib's and has one."""
    if not isinstance(config, Mapping):
        return None
    kind = find_class(config, where="dataset")
    handler = (config.get("kwargs") or {}).get("handler")
    if not (isinstance(kind, type) and issubclass(kind, DatasetH)):
        return None
    if not isinstance(handler, Mapping):
        return None
    # Qlib makes what is configured in there, and would name the modules of files otherwise
    return {**handler, "kwargs": dict(with_module_names(handler.get("kwargs") or {}))}


def make_empty_handler(config: Mapping[str, Any], *, any_loader: bool = False) -> Any:
    """The handler before it loads data; ``None`` where it has to be left to Qlib."""
    kind = find_class(config, where=HANDLER)
    if not (isinstance(kind, type) and issubclass(kind, DataHandler)):
        return None
    if "init_data" in config["kwargs"]:
        return None
    try:
        # a copy: Alpha158 writes into the configurations of its processors
        handler = kind(**copy.deepcopy(config["kwargs"]), init_data=False)
    except Exception:  # it takes no init_data, or works with its data as it is made
        return None
    return handler if any_loader or is_plain(handler.data_loader) else None


def dataset_freq(dataset: Any) -> str:
    """The frequency of a dataset's data, as its handler says; default daily.

    Args:
        dataset: Its configuration, or a ready dataset.
    """
    if isinstance(dataset, Mapping):
        return handler_freq((dataset.get("kwargs") or {}).get("handler"))
    loader = getattr(getattr(dataset, "handler", None), "data_loader", None)
    freq = getattr(loader, "freq", None)
    return freq if isinstance(freq, str) else DAILY


def handler_freq(handler: Any) -> str:
    """The frequency of a handler's data, as its configuration says; default daily.

    Args:
        handler: Its configuration; of a ready handler, or the path of one, nothing is said.
    """
    kwargs = (handler.get("kwargs") or {}) if isinstance(handler, Mapping) else {}
    loader = kwargs.get("data_loader")
    options = (loader.get("kwargs") or {}) if isinstance(loader, Mapping) else {}
    freq = kwargs.get("freq") or options.get("freq")
    return str(freq) if isinstance(freq, str) else DAILY


def warn_of_midnights(handler: Mapping[str, Any], segments: Mapping[str, Any]) -> None:
    """Say which bars a segment leaves out that ends at a day, as rolls of days do."""
    freq = handler_freq(handler)
    if not is_intraday(freq):
        return
    for name, segment in segments.items():
        end = split_segment(segment)[1]
        if end is not None and not names_day(end) and is_midnight(to_stamp(end)):
            _log.warning(
                "%s has the frequency %s, and the %s segment ends at %s 00:00: as in Qlib the bars "
                "of that day are left out; roll on Market(calendar=%r), whose sessions are bars",
                *(HANDLER, freq, name, _day(end), name_of(freq)),
            )
            return


def sharing_key(handler: Mapping[str, Any]) -> str:
    """The same text for handlers that can share one computation of raw data."""
    kwargs = {k: v for k, v in handler["kwargs"].items() if k not in _OWN_TO_A_ROLL}
    return canonical_json({**handler, "kwargs": kwargs})


def check_handler_dates(handler: Mapping[str, Any], segments: Mapping[str, Any]) -> None:
    """Make sure that a handler has data for segments.

    Raises:
        DataError: It starts after one, or ends before one.
    """
    start, end = (_date(handler["kwargs"], name) for name in ("start_time", "end_time"))
    for name, segment in segments.items():
        first, last = split_segment(segment)
        if end is not None and first is not None and to_stamp(first) > to_stamp(end):
            raise DataError(
                f"{HANDLER}.kwargs.end_time is {_day(end)}, before the {name} segment, which "
                f"starts {_day(first)}: the handler would have no data for it"
            )
        if start is not None and last is not None and to_stamp(last) < to_stamp(start):
            raise DataError(
                f"{HANDLER}.kwargs.start_time is {_day(start)}, after the {name} segment, which "
                f"ends {_day(last)}: the handler would have no data for it"
            )


def _date(kwargs: Mapping[str, Any], name: str) -> Any:
    """A date of a handler, as it is written; not one that Qlib and others may read differently."""
    try:
        refuse_ambiguous(kwargs.get(name))
    except CalendarError as error:
        raise DataError(f"{HANDLER}.kwargs.{name}: {error}") from None
    return kwargs.get(name)


def _day(date: Any) -> str:
    return format_moment(pd.Timestamp(date))
