"""A price source by its description."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.calendars import earliest_day
from wf_dagster.errors import DataError
from wf_dagster.prices.base import PriceSource, Replayable
from wf_dagster.prices.files import CsvPrices, ParquetPrices
from wf_dagster.prices.sample import SamplePrices


def make_source(
    spec: Any, as_of: pd.Timestamp | None, *, sample_folder: Path | None = None
) -> PriceSource:
    """The price source of a description.

    Args:
        spec: ``"sample"``; the path of a Parquet or CSV file, or of a folder of them; what
            ``source.spec()`` gave; a ready source.
        as_of: Replay date. Of this one and that of the description the earlier holds.
        sample_folder: Where a copy of the sample prices is kept.

    Raises:
        DataError: It is none of these, or a source of your own that shows more than ``as_of``.
    """
    coverage = None
    if isinstance(spec, PriceSource):
        return _seen_at(spec, earliest_day(as_of, spec.as_of))
    if isinstance(spec, Mapping):
        if unknown := set(spec) - {"path", "as_of", "min_coverage"} or {"path"} - set(spec):
            raise DataError(
                f"prices={dict(spec)!r}: {min(map(str, unknown))} is unknown or missing; write "
                "{'path': ..., 'as_of': ...}"
            )
        coverage = spec.get("min_coverage")
        spec, as_of = spec["path"], earliest_day(as_of, spec.get("as_of"))
    if not isinstance(spec, (str, Path)):
        raise DataError(f"{spec!r} is no price source: use 'sample', a path, or a PriceSource")
    if spec == "sample":
        return SamplePrices(as_of, sample_folder, coverage)
    path = Path(spec).expanduser()
    for kind in (ParquetPrices, CsvPrices):
        if path.suffix.lower() == kind.suffix or (
            path.is_dir() and any(path.glob(f"*{kind.suffix}"))
        ):
            return kind(path, as_of, coverage)
    raise DataError(
        f"prices={str(spec)!r} is no price source: use 'sample', a .parquet or .csv file, or a "
        "folder of them"
    )


def _seen_at(source: PriceSource, as_of: pd.Timestamp | None) -> PriceSource:
    if as_of is None or source.as_of == as_of:
        return source
    if isinstance(source, Replayable):
        return source.at(as_of)
    raise DataError(
        f"the replay date is {as_of:%Y-%m-%d}, but {source!r} has as_of={source.as_of}: make it "
        "with the same as_of"
    )
