"""Where prices come from, and the checks of a price file."""

from wf_dagster.prices.base import FrameSource, PriceSource
from wf_dagster.prices.files import CsvPrices, ParquetPrices
from wf_dagster.prices.sample import SamplePrices

__all__ = [
    "CsvPrices",
    "FrameSource",
    "ParquetPrices",
    "PriceSource",
    "SamplePrices",
]
