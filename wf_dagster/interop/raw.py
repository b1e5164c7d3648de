"""The raw data of Qlib's handlers: computed once, kept as a table that processes share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pandas as pd
import qlib
from qlib.config import C
from qlib.data.cache import H
from qlib.data.dataset.loader import DataLoader, DLWParser, QlibDataLoader
from qlib.utils import lazy_sort_index

from wf_dagster.data import cache
from wf_dagster.data.code_digest import code_digest
from wf_dagster.data.panel import digest
from wf_dagster.errors import DataError
from wf_dagster.interop.provider import check_frequency, data_version, folders_of

_ROWS = ["datetime", "instrument"]
_PROVIDERS = (
    "calendar_provider", "instrument_provider", "feature_provider", "expression_provider",
    "dataset_provider", "provider", "min_data_shift",
)  # fmt: skip
_seen: dict[str, str] = {}


class _Unsuitable(Exception):
    """What a loader gave cannot be kept as a table."""

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__()
        self.frame = frame


@contextmanager
def from_cache(handler: Any, until: Any = None) -> Iterator[None]:
    """Inside the block a handler's loader takes raw data from the cache, if it is a plain one.

    Args:
        handler: A data handler of Qlib's.
        until: Where data have to be computed, compute them up to this date at least.
    """
    loader = handler.data_loader
    if not is_plain(loader):
        yield
        return
    handler.data_loader = _CachedLoader(loader, type(handler), until)
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

    def __init__(self, inner: Any, handler: type, until: Any) -> None:
        self._inner = inner
        self._handler = handler
        self._until = until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def load(
        self, instruments: Any = None, start_time: Any = None, end_time: Any = None
    ) -> pd.DataFrame:
        """The raw data, as the plain loader gives them."""
        check_request(self._inner, instruments)
        version = current_version()
        exact = _depends_on_end(self._inner, instruments)
        key = "qlib-" + digest(
            [
                version,
                _definition(self._inner, self._handler),
                _plain(instruments),
                _time(start_time),
                [_time(end_time)] if exact else "any end",
            ]
        )
        end = None if end_time is None else pd.Timestamp(end_time)
        table = _covering(key, end)
        if table is None:
            until = end if exact else _later(end, self._until)

            def compute() -> cache.Table:
                made = _table(self._inner.load(instruments, start_time, until), instruments)
                if current_version() != version:
                    raise DataError(
                        "Qlib's data changed while features were computed: run it again"
                    )
                return made

            try:
                table = cache.get(f"{key}.{_name(until)}", compute)
            except _Unsuitable as given:
                return given.frame.loc[:end] if end is not None else given.frame
        return _frame(table, end)


def check_request(loader: Any, instruments: Any) -> None:
    """Make sure that the data have the frequencies and the instrument list that are asked for.

    Raises:
        DataError: They have not.
    """
    uri = C["provider_uri"]
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


def _depends_on_end(loader: Any, instruments: Any) -> bool:
    """Whether a row may be another one when fewer days after it are loaded."""
    filters = isinstance(instruments, Mapping) and instruments.get("filter_pipe")
    return bool(loader.filter_pipe or loader.inst_processors or filters or C["custom_ops"])


def _definition(loader: Any, handler: type) -> Any:
    return [
        [qlib.__version__, np.__version__, pd.__version__],
        [_code(type(loader)), _code(handler)],
        {
            group: [list(map(str, exprs)), list(map(str, names))]
            for group, (exprs, names) in loader.fields.items()
        },
        _plain([loader.freq, loader.filter_pipe, loader.inst_processors]),
        _plain([C.get(name) for name in _PROVIDERS]),
        [_plain(op) if isinstance(op, Mapping) else _code(op) for op in C["custom_ops"]],
    ]


def _code(kind: Any) -> str:
    """A class by its name, and by its code where that is not Qlib's own."""
    own = kind.__module__.partition(".")[0] == "qlib"
    return f"{kind.__module__}.{kind.__qualname__} " + ("" if own else code_digest(kind))


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, pd.Index, np.ndarray)):
        return [_plain(inner) for inner in value]
    if hasattr(value, "to_config"):  # a filter of Qlib's
        return _plain(value.to_config())
    if isinstance(value, pd.Timestamp):
        return str(value)
    return [_code(type(value)), repr(vars(value)) if hasattr(value, "__dict__") else repr(value)]


def _covering(key: str, end: pd.Timestamp | None) -> cache.Table | None:
    """A table with these data up to ``end``, or further."""
    for name in cache.keys(f"{key}."):
        kept = name.rpartition(".")[2]
        if kept == _name(end) or kept == "open" or (end is not None and pd.Timestamp(kept) >= end):
            return cache.find(name)
    return None


def _name(end: pd.Timestamp | None) -> str:
    return "open" if end is None else end.strftime("%Y%m%dT%H%M%S")


def _time(value: Any) -> str | None:
    return None if value is None else str(pd.Timestamp(value))


def _later(end: pd.Timestamp | None, until: Any) -> pd.Timestamp | None:
    return end if end is None or until is None else max(end, pd.Timestamp(until))


def _table(loaded: pd.DataFrame, instruments: Any) -> cache.Table:
    frame = lazy_sort_index(loaded)
    if frame.empty:
        raise DataError(
            f"the handler's instruments {instruments!r} select nothing: Qlib's data have no row of "
            "them between its start_time and end_time"
        )
    kinds = set(frame.dtypes)
    named = list(frame.index.names) == _ROWS and frame.columns.nlevels == 2
    if len(kinds) != 1 or not named or kinds.pop().kind != "f":
        raise _Unsuitable(frame)
    columns = [(str(group), str(name)) for group, name in frame.columns]
    # column by column, as Qlib holds them: sums of floats depend on the order
    values = np.asfortranarray(frame.to_numpy())
    return cache.Table(cast(pd.MultiIndex, frame.index), columns, values)


def _frame(table: cache.Table, end: pd.Timestamp | None) -> pd.DataFrame:
    days = table.index.get_level_values("datetime")
    rows = len(days) if end is None else int(days.searchsorted(end, side="right"))
    return pd.DataFrame(
        cache.private(table)[:rows],
        index=table.index[:rows],
        columns=pd.MultiIndex.from_tuples(table.columns),
        copy=False,
    )
