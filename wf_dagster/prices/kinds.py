"""What prices are, wherever they lie: a file that is moved, or loaded into a database, is the same.

``"sample"``; ``"table"`` for a file, a folder of them, their address, or a table of a database; the
dotted path of the class for a source of one's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wf_dagster.imports.module_files import is_own_module
from wf_dagster.prices.addresses import is_address
from wf_dagster.prices.descriptions import SAMPLE
from wf_dagster.tasks.config import class_path

TABLE = "table"


def source_kind(prices: Any) -> str:
    """The kind of the prices of a market.

    Args:
        prices: A description, as a :class:`wf_dagster.market.Market` takes it, or a source.
    """
    if isinstance(prices, Mapping) and "class" in prices:
        return class_path(prices)
    if isinstance(prices, Mapping):
        prices = prices.get("path")
    if prices is None or isinstance(prices, (str, os.PathLike)):
        return SAMPLE if prices == SAMPLE else TABLE
    # sources are slow to import, and whoever gives one has them
    from wf_dagster.prices.base import PriceSource
    from wf_dagster.prices.sample import SamplePrices

    if isinstance(prices, SamplePrices):
        return SAMPLE
    kind = type(prices)
    is_own = isinstance(prices, PriceSource) and not is_own_module(kind.__module__)
    return f"{kind.__module__}.{kind.__qualname__}" if is_own else TABLE


def place_free(prices: Any) -> Any:
    """The ``prices`` of a dataset by their kind; what names no place stays as it is.

    Args:
        prices: What a dataset takes under that name, be it one of this package or not.
    """
    if isinstance(prices, Mapping):
        return source_kind(prices) if {"class", "path"} & prices.keys() else prices
    if isinstance(prices, str):
        is_place = is_address(prices) or os.sep in prices or Path(prices).suffix
        return TABLE if is_place else prices
    if prices is None:
        return None
    from wf_dagster.prices.base import PriceSource  # slow to import

    return source_kind(prices) if isinstance(prices, (PriceSource, os.PathLike)) else prices
