"""The raw data of Qlib's handlers: computed once, kept as a table that processes share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd
from qlib.config import C
from qlib.data.cache import H
from qlib.data.dataset.loader import DataLoader, DLWParser, QlibDataLoader

from wf_dagster.errors import DataError
from wf_dagster.qlib_engine.definition import NotPlainError, environment, loaded_by, plain
from wf_dagster.qlib_engine.frame_tables import UnsuitableError, rows_between, to_frame
from wf_dagster.qlib_engine.provider_files import (
    check_folders,
    check_frequency,
    data_version,
    folders_of,
)
from wf_dagster.qlib_engine.raw_compute import Spread, computed, computed_table
from wf_dagster.qlib_engine.replay_mask import HidingLoader, hide, no_later, replay_date
from wf_dagster.tables import cache
from wf_dagster.tasks import fingerprint as digest

_seen: dict[str, str] = {}


@contextmanager
def from_cache(
    handler: Any, until: Any = None, spread: Spread | None = None, since: Any = None
) -> Iterator[None]:
    """Inside the block a handler's loader takes raw data from the cache, if it is a plain one.

    What a replay date hides is not there.

    Args:
        handler: A data handler of Qlib's.
        until: Where data have to be computed, compute them up to this date at least.
        spread: Calls a function for each of many items, in several processes.
        since: Compute them from this date on at least, whether or not they are there.
    """
    loader = handler.data_loader
    if is_plain(loader):
        handler.data_loader = _CachedLoader(loader, type(handler), until, spread, since)
    elif replay_date() is not None:
        handler.data_loader = HidingLoader(loader)
    try:
        yield
    finally:
        handler.data_loader = loader  # what is pickled is Qlib's own


def is_plain(loader: Any) -> bool:
    """Whether a loader computes Qlib's expressions on Qlib's local data, and nothing else."""
    kind = type(loader)
    return (
        isinstance(loader, QlibDataLoader)
        and kind.load is DLWParser.load
        and kind.load_group_df is QlibDataLoader.load_group_df
        and loader.is_group
        and loader.swap_level
        and len(folders_of(C["provider_uri"])) == len(C["provider_uri"])
    )


class _CachedLoader(DataLoader):  # type: ignore[misc]
    """Stands for a plain loader while a handler is set up."""

    def __init__(
        self, inner: Any, handler: type, until: Any, spread: Spread | None, since: Any
    ) -> None:
        self._inner = inner
        self._handler = handler
        self._until = until
        self._spread = spread
        self._since = since

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def load(
        self, instruments: Any = None, start_time: Any = None, end_time: Any = None
    ) -> pd.DataFrame:
        """The raw data, as the plain loader gives them, without what a replay date hides."""
        if _depends_on_dates(self._inner, instruments):
            end_time = no_later(end_time)
        return hide(self._known(instruments, start_time, end_time), self._inner)

    def _known(self, instruments: Any, start_time: Any, end_time: Any) -> pd.DataFrame:
        try:
            table = self.table(instruments, start_time, end_time)
        except NotPlainError:
            return computed(self._inner, instruments, start_time, end_time)
        except UnsuitableError as given:
            return given.frame.loc[_time(start_time) : _time(end_time)]
        return to_frame(table, start=_time(start_time), end=no_later(_time(end_time)))

    def table(self, instruments: Any, start_time: Any, end_time: Any) -> cache.Table:
        """The table that holds these raw data, and maybe more.

        Raises:
            NotPlainError: They have no name.
            UnsuitableError: A table cannot hold them.
        """
        check_request(self._inner, instruments)
        version = current_version()
        start, end = _time(start_time), _time(end_time)
        first, last = start, end
        if not _depends_on_dates(self._inner, instruments):
            first, last = _earlier(start, self._since), _later(end, self._until)
        key = raw_key(self._inner, self._handler, instruments, first, end, version)
        table = _covering(key, end)
        if table is not None:
            return table

        def compute() -> cache.Table:
            made = computed_table(self._inner, instruments, first, last, self._spread)
            if current_version() != version:  # or it would be kept as of other data
                cache.discard(made)
                raise DataError("Qlib's data changed while features were computed: run it again")
            return made

        return cache.get(f"{key}.{_name(last)}", compute)


def stored(handler: Any) -> tuple[cache.Table, slice]:
    """The table with a handler's raw data, and which of its rows they are.

    Args:
        handler: One of Qlib's whose loader is plain.

    Raises:
        NotPlainError: They have no name.
        UnsuitableError: A table cannot hold them.
    """
    start, end = _time(handler.start_time), _time(handler.end_time)
    loader = _CachedLoader(handler.data_loader, type(handler), None, None, None)
    table = loader.table(handler.instruments, start, end)
    return table, rows_between(table.index, start, end)


def raw_key(
    loader: Any, handler: type, instruments: Any, start: Any, end: Any, version: str
) -> str:
    """A name for raw data: the same for the same definition, code and version of the data.

    It leaves the end open where a longer table holds the same rows. The version is that of
    :func:`current_version`.

    Raises:
        NotPlainError: They depend on an object that is more than its configuration.
    """
    definition = [environment(), loaded_by(loader, handler), plain(instruments)]
    ends = [_shown(end)] if _depends_on_dates(loader, instruments) else []
    return "qlib-" + digest([version, definition, _shown(start), ends])


def check_request(loader: Any, instruments: Any) -> None:
    """Make sure that the data have the frequencies and the instrument list that are asked for.

    Raises:
        DataError: They have not.
        SettingsError: There are no data.
    """
    uri = C["provider_uri"]
    check_folders(uri)
    freqs = loader.freq.values() if isinstance(loader.freq, Mapping) else [loader.freq]
    for freq in freqs:
        check_frequency(uri, str(freq))
    market = instruments.get("market") if isinstance(instruments, Mapping) else instruments
    if not isinstance(market, str):
        return
    for folder in folders_of(uri).values():
        there = sorted(path.stem for path in (folder / "instruments").glob("*.txt"))
        if there and market.lower() not in there:
            raise DataError(
                f"the handler's instruments {market!r} are no list of {str(folder)!r}: it has "
                f"{', '.join(there)}"
            )


def current_version() -> str:
    """The version of Qlib's data; where it has changed, Qlib's memory of them is cleared."""
    version = data_version(C["provider_uri"])
    place = str(C["provider_uri"])
    if _seen.get(place, version) != version:
        H.clear()
    _seen[place] = version
    return version


def _depends_on_dates(loader: Any, instruments: Any) -> bool:
    """Whether a row may be another one when fewer days around it are loaded."""
    filters = isinstance(instruments, Mapping) and instruments.get("filter_pipe")
    return bool(loader.filter_pipe or loader.inst_processors or filters or C["custom_ops"])


def _covering(key: str, end: pd.Timestamp | None) -> cache.Table | None:
    """A table with these data up to ``end``, or further."""
    for name in cache.keys(f"{key}."):
        kept = name.rpartition(".")[2]
        if kept == _name(end) or kept == "open" or (end is not None and pd.Timestamp(kept) >= end):
            return cache.find(name)
    return None


def _name(end: pd.Timestamp | None) -> str:
    return "open" if end is None else end.strftime("%Y%m%dT%H%M%S")


def _time(value: Any) -> pd.Timestamp | None:
    return None if value is None else pd.Timestamp(value)


def _shown(value: Any) -> str | None:
    return None if value is None else str(pd.Timestamp(value))


def _later(end: pd.Timestamp | None, until: Any) -> pd.Timestamp | None:
    return end if end is None or until is None else max(end, pd.Timestamp(until))


def _earlier(start: pd.Timestamp | None, since: Any) -> pd.Timestamp | None:
    return start if start is None or since is None else min(start, pd.Timestamp(since))
