"""The raw data of Qlib's handlers: computed once, kept as a table that processes share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd
from qlib.config import C
from qlib.data.cache import H
from qlib.data.dataset.loader import DataLoader, DLWParser, QlibDataLoader

from wf_dagster.errors import DataError
from wf_dagster.prices.names import describe_unknown
from wf_dagster.qlib_engine.definition import (
    NotPlainError,
    describe_environment,
    describe_loader,
    to_plain,
)
from wf_dagster.qlib_engine.frame_tables import UnsuitableError, rows_between, to_frame
from wf_dagster.qlib_engine.provider_files import (
    check_folders,
    check_frequency,
    data_version,
    folders_of,
    folders_serving,
)
from wf_dagster.qlib_engine.raw_compute import Spread, compute_frame, compute_table
from wf_dagster.qlib_engine.replay_mask import HidingLoader, hide, limit_end
from wf_dagster.tables.cache import Table, TableCache, discard_file
from wf_dagster.tasks import fingerprint as digest

_versions: dict[str, str] = {}  # of the data that Qlib may remember, by provider


@contextmanager
def from_cache(
    handler: Any,
    tables: TableCache,
    as_of: pd.Timestamp | None,
    *,
    since: Any = None,
    until: Any = None,
    spread: Spread | None = None,
) -> Iterator[None]:
    """Inside the block a handler's loader takes raw data from the cache, if it is a plain one.

    What a replay date hides is not there.

    Args:
        handler: A data handler of Qlib's.
        tables: The cache.
        as_of: Replay date.
        since: Where data have to be computed, compute them from this date on at least, whether or
            not they are there.
        until: Where data have to be computed, compute them up to this date at least.
        spread: Calls a function for each of many items, in several processes.
    """
    loader = handler.data_loader
    if is_plain(loader):
        reach = _Reach(since, until)
        handler.data_loader = _CachingLoader(loader, type(handler), tables, as_of, reach, spread)
    elif as_of is not None:
        handler.data_loader = HidingLoader(loader, as_of)
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


@dataclass(frozen=True)
class _Reach:
    """The dates between which data are computed at least."""

    since: Any = None
    until: Any = None


class _CachingLoader(DataLoader):  # type: ignore[misc]
    """Stands for a plain loader while a handler is set up."""

    def __init__(
        self,
        inner: Any,
        handler: type,
        tables: TableCache,
        as_of: pd.Timestamp | None,
        reach: _Reach,
        spread: Spread | None,
    ) -> None:
        self._inner = inner
        self._handler = handler
        self._tables = tables
        self._as_of = as_of
        self._reach = reach
        self._spread = spread

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def load(
        self, instruments: Any = None, start_time: Any = None, end_time: Any = None
    ) -> pd.DataFrame:
        """The raw data, as the plain loader gives them, without what a replay date hides."""
        if _depends_on_dates(self._inner, instruments):
            end_time = limit_end(end_time, self._as_of)
        frame = self._load_cached(instruments, start_time, end_time)
        return hide(frame, self._inner, self._as_of)

    def _load_cached(self, instruments: Any, start_time: Any, end_time: Any) -> pd.DataFrame:
        try:
            table = self.table(instruments, start_time, end_time)
        except NotPlainError:
            return compute_frame(self._inner, instruments, start_time, end_time)
        except UnsuitableError as error:
            return error.frame.loc[_time(start_time) : _time(end_time)]
        return to_frame(table, start=_time(start_time), end=limit_end(_time(end_time), self._as_of))

    def table(self, instruments: Any, start_time: Any, end_time: Any) -> Table:
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
            first, last = _earlier(start, self._reach.since), _later(end, self._reach.until)
        key = raw_key(self._inner, self._handler, instruments, first, end, version)
        table = _find_covering(self._tables, key, end)
        if table is not None:
            return table

        def compute() -> Table:
            folder = self._tables.folder
            table = compute_table(self._inner, instruments, first, last, folder, self._spread)
            if current_version() != version:  # or it would be kept as of other data
                discard_file(table)
                raise DataError("Qlib's data changed while features were computed: run it again")
            return table

        return self._tables.get(f"{key}.{_name(last)}", compute)


def find_raw(handler: Any, tables: TableCache) -> tuple[Table, slice]:
    """The table with a handler's raw data, computed if need be, and which of its rows they are.

    Args:
        handler: One of Qlib's whose loader is plain.
        tables: The cache.

    Raises:
        NotPlainError: They have no name.
        UnsuitableError: A table cannot hold them.
    """
    start, end = _time(handler.start_time), _time(handler.end_time)
    kind = type(handler)
    loader = _CachingLoader(handler.data_loader, kind, tables, None, _Reach(), None)
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
    definition = [describe_environment(), describe_loader(loader, handler), to_plain(instruments)]
    ends = [_as_text(end)] if _depends_on_dates(loader, instruments) else []
    return "qlib-" + digest([version, definition, _as_text(start), ends])


def check_request(loader: Any, instruments: Any) -> None:
    """Make sure that the data have the frequencies and the instrument list that are asked for.

    Raises:
        DataError: They have not.
        SettingsError: There are no data.
    """
    uri = C["provider_uri"]
    several = loader.freq.values() if isinstance(loader.freq, Mapping) else [loader.freq]
    freqs = [str(freq) for freq in several]
    check_folders(uri, freqs)
    for freq in freqs:
        check_frequency(uri, freq)
    folders = [folder for freq in freqs for folder in folders_serving(uri, freq).values()]
    market = instruments.get("market") if isinstance(instruments, Mapping) else instruments
    if isinstance(market, (list, tuple)):
        _check_names(market, [folder / "features" for folder in folders])
    if not isinstance(market, str):
        return
    for folder in folders:
        available = sorted(path.stem for path in (folder / "instruments").glob("*.txt"))
        if available and market.lower() not in available:
            raise DataError(
                f"the handler's instruments {market!r} are no list of {str(folder)!r}: it has "
                f"{', '.join(available)}{_nearest(market, available)}"
            )


def _check_names(names: Sequence[Any], folders: Sequence[Path]) -> None:
    """Make sure that there are data of each instrument of a list."""
    for folder in folders:
        known = {path.name.lower() for path in folder.glob("*")}
        unknown = sorted({str(name) for name in names if str(name).lower() not in known})
        if known and unknown:
            raise DataError(
                f"the handler's instruments: {len(unknown)} of {len(names)} have no data in "
                f"{str(folder)!r}: {describe_unknown(unknown, sorted(map(str.upper, known)))}"
            )


def _nearest(name: str, available: list[str]) -> str:
    near = get_close_matches(name.lower(), available, n=1)
    return f"; is {near[0]} meant?" if near else ""


def current_version() -> str:
    """The version of Qlib's data; where it has changed, Qlib's memory of them is cleared."""
    version = data_version(C["provider_uri"])
    place = str(C["provider_uri"])
    if _versions.get(place, version) != version:
        H.clear()
    _versions[place] = version
    return version


def _depends_on_dates(loader: Any, instruments: Any) -> bool:
    """Whether a row may be another one when fewer days around it are loaded."""
    filters = isinstance(instruments, Mapping) and instruments.get("filter_pipe")
    return bool(loader.filter_pipe or loader.inst_processors or filters or C["custom_ops"])


def _find_covering(tables: TableCache, key: str, end: pd.Timestamp | None) -> Table | None:
    """A table with these data up to ``end``, or further."""
    for name in tables.keys(f"{key}."):
        last = name.rpartition(".")[2]
        if last == _name(end) or last == "open" or (end is not None and pd.Timestamp(last) >= end):
            return tables.find(name)
    return None


def _name(end: pd.Timestamp | None) -> str:
    return "open" if end is None else end.strftime("%Y%m%dT%H%M%S")


def _time(value: Any) -> pd.Timestamp | None:
    return None if value is None else pd.Timestamp(value)


def _as_text(value: Any) -> str | None:
    return None if value is None else str(pd.Timestamp(value))


def _later(end: pd.Timestamp | None, until: Any) -> pd.Timestamp | None:
    return end if end is None or until is None else max(end, pd.Timestamp(until))


def _earlier(start: pd.Timestamp | None, since: Any) -> pd.Timestamp | None:
    return start if start is None or since is None else min(start, pd.Timestamp(since))
