"""A price source by its description."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wf_dagster.data.sources.base import PriceSource
from wf_dagster.data.sources.files import CsvPrices, ParquetPrices
from wf_dagster.data.sources.sample import SamplePrices
from wf_dagster.errors import DataError


def price_source(spec: Any = None, as_of: Any = None) -> PriceSource:
    """The price source of a description.

    Args:
        spec: ``"sample"``; the path of a Parquet or CSV file, or of a folder of them; what
            ``source.spec()`` gave; a ready source; ``None`` for that of the settings.
        as_of: Replay date; default that of the description, else of the settings.

    Raises:
        DataError: It is none of these.
    """
    if spec is None:
        from wf_dagster.settings import get_settings

        settings = get_settings()
        spec, as_of = settings.prices, as_of or settings.as_of or None
    if isinstance(spec, Mapping):
        return price_source(spec.get("path", "sample"), as_of or spec.get("as_of"))
    if not isinstance(spec, (str, Path)):
        if isinstance(spec, PriceSource):
            return spec
        raise DataError(f"{spec!r} is no price source: use 'sample', a path, or a PriceSource")
    if spec == "sample":
        return SamplePrices(as_of)
    path = Path(spec).expanduser()
    for kind in (ParquetPrices, CsvPrices):
        if path.suffix.lower() == kind.suffix or (
            path.is_dir() and any(path.glob(f"*{kind.suffix}"))
        ):
            return kind(path, as_of)
    raise DataError(
        f"prices={str(spec)!r} is no price source: use 'sample', a .parquet or .csv file, or a "
        "folder of them"
    )
