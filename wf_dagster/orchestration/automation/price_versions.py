"""The prices that a strategy stands on: which version there is, and what they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from wf_dagster.data.adapters import adapter_of
from wf_dagster.market import Market
from wf_dagster.prices import PriceSource

_COMPARED = 250  # latest sessions whose prices are compared


@runtime_checkable
class PriceVersions(Protocol):
    """What is asked of prices."""

    def version(self) -> str:
        """Changes when any price changes, and with the replay date."""
        ...

    def content(self, until: pd.Timestamp) -> str:
        """Identifies the latest prices up to a session; the same when later ones come."""
        ...


def template_prices(template: Mapping[str, Any], market: Market) -> PriceVersions:
    """The prices that the tasks of a template are trained on.

    Args:
        template: The task of the first roll, which may name prices of its own.
        market: That of the strategy.
    """
    return price_versions(adapter_of(template, market).market)


def price_versions(market: Market) -> PriceVersions:
    """The prices of a market."""
    source = market.prices
    return source if isinstance(source, PriceVersions) else _HashedPrices(source)


class _HashedPrices:
    """Prices of a source that does not identify what it held up to a session."""

    def __init__(self, source: PriceSource) -> None:
        self._source = source

    def version(self) -> str:
        return self._source.version()

    def content(self, until: pd.Timestamp) -> str:
        sessions = self._source.sessions()
        # counted from the end: files of the last years drop their oldest day for each new one
        first = sessions[sessions <= until][-_COMPARED:].min()
        prices = self._source.load(start=None if pd.isna(first) else first, end=until)
        return f"{int(pd.util.hash_pandas_object(prices).sum()) & 0xFFFFFFFFFFFFFFFF:016x}"
