"""The prices that a strategy stands on: which version there is, and what they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from wf_dagster.data.adapters import adapter_of
from wf_dagster.market import Market
from wf_dagster.prices import PriceSource


@runtime_checkable
class Prices(Protocol):
    """What is asked of prices."""

    def version(self) -> str:
        """Changes when any price changes, and with the replay date."""
        ...

    def content(self, until: pd.Timestamp) -> str:
        """Identifies the prices up to a session; the same when later ones come."""
        ...


def prices_of(template: Mapping[str, Any]) -> Prices:
    """The prices that the tasks of a template are trained on."""
    return _with_content(adapter_of(template, Market()).market.prices)


def prices_named(name: Any) -> Prices:
    """The prices of a price source's description."""
    return _with_content(Market(name).prices)


def _with_content(source: PriceSource) -> Prices:
    return source if isinstance(source, Prices) else _OfSource(source)


class _OfSource:
    """Prices of a source."""

    def __init__(self, source: PriceSource) -> None:
        self._source = source

    def version(self) -> str:
        return self._source.version()

    def content(self, until: pd.Timestamp) -> str:
        prices = self._source.load(end=until)
        return f"{int(pd.util.hash_pandas_object(prices).sum()) & 0xFFFFFFFFFFFFFFFF:016x}"
