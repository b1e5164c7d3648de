"""Where prices come from."""

from wf_dagster.data.sources.base import FrameSource, PriceSource
from wf_dagster.data.sources.choose import price_source
from wf_dagster.data.sources.files import CsvPrices, ParquetPrices
from wf_dagster.data.sources.sample import SamplePrices

__all__ = [
    "CsvPrices",
    "FrameSource",
    "ParquetPrices",
    "PriceSource",
    "SamplePrices",
    "price_source",
]
