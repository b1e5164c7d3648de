"""A price source by its description."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.calendars import earliest_day
from wf_dagster.errors import DataError
from wf_dagster.prices.addresses import is_address, is_file_address
from wf_dagster.prices.base import PriceSource, Replayable
from wf_dagster.prices.descriptions import path_of
from wf_dagster.prices.files import make_file_source
from wf_dagster.prices.own import make_own_source
from wf_dagster.prices.sample import SamplePrices
from wf_dagster.prices.sql import SqlPrices

_KINDS = (
    "'sample', a .parquet, .csv, .csv.gz, .csv.zst, .feather, .arrow or .ipc file or a folder of "
    "them, an address such as s3://bucket/prices or sqlite:////data/prices.db#table, or a "
    "PriceSource"
)


def make_source(
    spec: Any, as_of: pd.Timestamp | None, *, sample_folder: Path | None = None
) -> PriceSource:
    """The price source of a description.

    Args:
        spec: ``"sample"``; the path of a Parquet, CSV or Feather file, or of a folder of them;
            the address of one; the address of a table (``sqlite:////data/prices.db#table``) or of
            a query; what ``source.spec()`` gave; a ready source.
        as_of: Replay date. Of this one and that of the description the earlier holds.
        sample_folder: Where a copy of the sample prices is kept.

    Raises:
        DataError: It is none of these, or a source of your own that shows more than ``as_of``.
    """
    coverage = None
    if isinstance(spec, PriceSource):
        return _seen_at(spec, earliest_day(as_of, spec.as_of))
    if isinstance(spec, Mapping):
        coverage, as_of = spec.get("min_coverage"), earliest_day(as_of, spec.get("as_of"))
        if "class" in spec:
            return make_own_source(spec, as_of)
        spec = path_of(spec)
    if not isinstance(spec, (str, Path)):
        raise DataError(f"{spec!r} is no price source: use {_KINDS}")
    if spec == "sample":
        return SamplePrices(as_of, sample_folder, coverage)
    if is_address(str(spec)) and not is_file_address(str(spec)):
        return SqlPrices(str(spec), as_of=as_of, min_coverage=coverage)
    source = make_file_source(spec, as_of, coverage)
    if source is None:
        raise DataError(f"prices={str(spec)!r} is no price source: use {_KINDS}")
    return source


def _seen_at(source: PriceSource, as_of: pd.Timestamp | None) -> PriceSource:
    if as_of is None or source.as_of == as_of:
        return source
    if isinstance(source, Replayable):
        return source.at(as_of)
    raise DataError(
        f"the replay date is {as_of:%Y-%m-%d}, but {source!r} has as_of={source.as_of}: make it "
        "with the same as_of"
    )
