"""A price source of one's own: a class with two methods."""

from __future__ import annotations

import abc
import inspect
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from textwrap import shorten
from typing import Any, cast

import pandas as pd
from typing_extensions import Self

from wf_dagster.errors import DataError, TaskError
from wf_dagster.prices.base import CACHED_PLACES, FrameSource, PriceSource
from wf_dagster.prices.file_checks import check_long_table
from wf_dagster.tasks import canonical_json, fingerprint, init_instance


class _Memory:
    """The prices of one revision, shared by all sources of a class with the same arguments."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.revision: str | None = None
        self.frame = pd.DataFrame()


class OwnPrices(FrameSource):
    """Prices from anywhere: write :meth:`read` and :meth:`revision`, the rest is derived.

    What ``read`` gives is checked as a price file is, and held in the process until ``revision``
    says something else. The source can be given to a market as it is, or named in a task by
    ``{"class": "package.module.MyPrices", "kwargs": {...}}``, which is also its ``spec()``. Its
    arguments are recorded with each training: read passwords from the environment instead.

    Example:
        >>> class MadePrices(OwnPrices):
        ...     def __init__(self, start: float = 10.0) -> None:
        ...         self.start = start
        ...
        ...     def read(self):
        ...         days = pd.bdate_range("2020-01-01", periods=3)
        ...         closes = [self.start, self.start + 1, self.start + 2]
        ...         return pd.DataFrame({"datetime": days, "instrument": "A", "close": closes})
        ...
        ...     def revision(self):
        ...         return f"{self.start}"
        >>> MadePrices(20.0).at("2020-01-02").load()["close"].tolist()
        [20.0, 21.0]
    """

    as_of: pd.Timestamp | None = None  # of a class whose constructor does not ask for one
    _memory: _Memory
    _arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments: the description of the source is made of them."""
        source = super().__new__(cls)
        try:
            bound = inspect.signature(cls.__init__).bind_partial(source, *args, **kwargs).arguments
        except TypeError:  # the constructor itself will say what is wrong
            bound = {}
        source._arguments = _named_arguments(cls, bound)
        source._memory = _memory_of(cls, source._arguments)
        return source

    @abc.abstractmethod
    def read(self) -> pd.DataFrame:
        """All prices: columns ``datetime``, ``instrument``, ``close`` and further fields.

        Returns:
            A row a day and instrument, sorted by day or by instrument and day; the keys may also
            stand in the index.
        """

    @abc.abstractmethod
    def revision(self) -> str:
        """What changes whenever a price changes, and is asked often, so cheap.

        The time of the last update, for example, or the number of a release. Sources of one class
        with other arguments may give the same.
        """

    def __repr__(self) -> str:
        from wf_dagster.tracking.redaction import redacted  # slow to import

        arguments = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items())
        return redacted(f"{type(self).__name__}({shorten(arguments, 200, placeholder=' ...')})")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_memory"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._memory = _memory_of(type(self), self._arguments)

    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again.

        Raises:
            DataError: The class has no dotted path.
        """
        kind = type(self)
        if "<locals>" in kind.__qualname__ or kind.__module__ == "__main__":
            raise DataError(
                f"{self!r} has no description: its class {kind.__qualname__} is no part of a "
                "module that can be imported; put it into a file of its own"
            )
        return {
            "class": _path(kind),
            "kwargs": dict(self._arguments),
            "as_of": None if self.as_of is None else str(self.as_of.date()),
        }

    def _content(self) -> str:
        revision = self.revision()
        if not isinstance(revision, (str, int)):
            raise DataError(
                f"{self!r}: revision() gave a {type(revision).__name__}; it must give a text that "
                "changes whenever a price changes"
            )
        return f"{fingerprint([_path(type(self)), _plain(self._arguments)])[:32]}-{revision}"

    def _whole(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        memory, revision = self._memory, self._content()
        with memory.lock:
            if memory.revision != revision:
                table = self.read()
                if not isinstance(table, pd.DataFrame):
                    raise DataError(
                        f"{self!r}: read() gave a {type(table).__name__}, not a frame with the "
                        "columns datetime, instrument and close"
                    )
                frame = check_long_table(table.copy(), f"read() of {self!r}")
                if self._content() != revision:
                    raise DataError(f"{self!r} changed while it was read: try again")
                memory.frame, memory.revision = frame, revision
            return memory.frame


def make_own_source(description: Mapping[str, Any], as_of: Any) -> PriceSource:
    """The source whose class is named by a description.

    Args:
        description: ``{"class": dotted path, "kwargs": {...}}``.
        as_of: Replay date.

    Raises:
        DataError: A key is unknown, or the class is no price source.
        TaskError: The class cannot be found, or does not take the arguments.
    """
    keys = {"class", "module_path", "kwargs", "as_of"}
    if unknown := set(description) - keys:
        raise DataError(
            f"prices: the key {min(map(str, unknown))!r} is unknown; a class of your own is named "
            "by {'class': 'package.module.MyPrices', 'kwargs': {...}, 'as_of': ...}"
        )
    config = {key: value for key, value in description.items() if key != "as_of"}
    source = init_instance(config, where="prices")
    if not isinstance(source, PriceSource):
        raise DataError(
            f"prices: {description['class']} is no price source: derive it from "
            "wf_dagster.prices.OwnPrices"
        )
    if as_of is None or not isinstance(source, FrameSource):
        return source
    return source.at(as_of)


_MEMORIES: dict[tuple[type, str], _Memory] = {}


def _memory_of(kind: type, arguments: Mapping[str, Any]) -> _Memory:
    """What a process holds for a class and its arguments; each its own if they have no text."""
    try:
        key = (kind, canonical_json(dict(arguments)))
    except TaskError:
        return _Memory()
    if key not in _MEMORIES:
        while len(_MEMORIES) >= CACHED_PLACES:
            _MEMORIES.pop(next(iter(_MEMORIES)), None)
        _MEMORIES[key] = _Memory()
    return _MEMORIES[key]


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that have a canonical form; of others the revision speaks."""
    plain = {}
    for name, value in arguments.items():
        with suppress(TaskError):
            plain[name] = canonical_json(value)
    return plain


def _named_arguments(kind: type[OwnPrices], bound: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor by their names, as keywords."""
    named: dict[str, Any] = {}
    parameters = list(inspect.signature(cast(Any, kind).__init__).parameters.values())[1:]
    for parameter in parameters:
        if parameter.name not in bound:
            continue
        value = bound[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            named.update(value)
        else:
            named[parameter.name] = value
    return named
