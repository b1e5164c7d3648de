"""Prices in, features and labels out, sliced into the segments of a roll."""

from wf_dagster.data.dataset import PanelDataset
from wf_dagster.data.panel import Panel, feature_panel
from wf_dagster.market import price_source
from wf_dagster.prices import CsvPrices, ParquetPrices, PriceSource, SamplePrices

__all__ = [
    "CsvPrices",
    "Panel",
    "PanelDataset",
    "ParquetPrices",
    "PriceSource",
    "SamplePrices",
    "feature_panel",
    "price_source",
]
