"""Where prices come from, and the checks of a price file."""

from wf_dagster.prices.base import FrameSource, PriceSource
from wf_dagster.prices.files import CsvPrices, FeatherPrices, ParquetPrices
from wf_dagster.prices.own import OwnPrices
from wf_dagster.prices.sample import SamplePrices
from wf_dagster.prices.sql import SqlPrices

__all__ = [
    "CsvPrices",
    "FeatherPrices",
    "FrameSource",
    "OwnPrices",
    "ParquetPrices",
    "PriceSource",
    "SamplePrices",
    "SqlPrices",
]
