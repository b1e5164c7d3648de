"""Real prices that come with a package: 20 S&P 500 stocks, daily, 1990 to 2022."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.errors import DataError
from wf_dagster.extras import pip_command
from wf_dagster.prices.base import FrameSource
from wf_dagster.tables.parquet_reader import read_parquet


class SamplePrices(FrameSource):
    """Adjusted closes of 20 S&P 500 stocks, 1990-01-02 to 2022-12-28, shipped by ``skfolio``.

    Args:
        as_of: Replay date; later rows are hidden.
        folder: Where a copy is kept: importing the package takes longer than reading it.
        min_coverage: As of :class:`FrameSource`.

    Example:
        >>> SamplePrices(as_of="2020-03-01").last_session()
        Timestamp('2020-02-28 00:00:00')
    """

    folder: Path | None = None  # of one that was pickled

    def __init__(
        self, as_of: Any = None, folder: Path | None = None, min_coverage: float | None = None
    ) -> None:
        super().__init__(as_of, min_coverage)
        self.folder = folder

    def __getstate__(self) -> dict[str, Any]:
        # where its copy is says nothing of the prices
        return {"as_of": self.as_of, **self._own_coverage()}

    def __repr__(self) -> str:
        return "SamplePrices()"

    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""
        as_of = None if self.as_of is None else str(self.as_of.date())
        return {"path": "sample", "as_of": as_of, **self._own_coverage()}

    def _content(self) -> str:
        return f"skfolio-{_package_version()}"

    def _whole(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        name = f"sample-{_package_version()}.parquet"
        return _load_sample(None if self.folder is None else self.folder / name)


@lru_cache(maxsize=1)
def _package_version() -> str:
    try:
        return version("skfolio")
    except PackageNotFoundError:
        raise DataError(
            "the sample prices come with the package skfolio, which is not installed: "
            f"{pip_command('sample')}, or give your own with WF_PRICES"
        ) from None


@lru_cache(maxsize=2)
def _load_sample(copy: Path | None) -> pd.DataFrame:
    if copy is not None and copy.exists():
        return read_parquet(copy)
    # slow to import, and needed once a home folder
    from skfolio.datasets import load_sp500_dataset

    wide = load_sp500_dataset().astype("float64")
    wide.index = pd.DatetimeIndex(wide.index, name="datetime").astype("datetime64[ns]")
    wide.columns.name = "instrument"
    frame: pd.DataFrame = wide.stack().rename("close").to_frame().sort_index()
    if copy is not None:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=copy.parent, suffix=".part", delete=False) as part:
            frame.to_parquet(part.name)
        Path(part.name).replace(copy)
    return frame
