"""Where prices come from, and the checks of a price file."""

from typing import TYPE_CHECKING

from wf_dagster.imports.lazy_names import lazy_names

if TYPE_CHECKING:
    from wf_dagster.prices.base import FrameSource, PriceSource
    from wf_dagster.prices.files import CsvPrices, FeatherPrices, ParquetPrices
    from wf_dagster.prices.own import OwnPrices
    from wf_dagster.prices.sample import SamplePrices
    from wf_dagster.prices.spooled import SpooledPrices
    from wf_dagster.prices.sql import SqlPrices

__all__ = [
    "CsvPrices",
    "FeatherPrices",
    "FrameSource",
    "OwnPrices",
    "ParquetPrices",
    "PriceSource",
    "SamplePrices",
    "SpooledPrices",
    "SqlPrices",
]

# they are slow to import: a market is described without its prices
__getattr__ = lazy_names(
    __name__,
    {
        "CsvPrices": "files",
        "FeatherPrices": "files",
        "FrameSource": "base",
        "OwnPrices": "own",
        "ParquetPrices": "files",
        "PriceSource": "base",
        "SamplePrices": "sample",
        "SpooledPrices": "spooled",
        "SqlPrices": "sql",
    },
)
