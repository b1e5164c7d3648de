"""Real prices that come with a package: 20 S&P 500 stocks, daily, 1990 to 2022."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.data.parquet import read_parquet
from wf_dagster.data.sources.base import FrameSource
from wf_dagster.errors import DataError
from wf_dagster.settings import get_settings


class SamplePrices(FrameSource):
    """Adjusted closes of 20 S&P 500 stocks, 1990-01-02 to 2022-12-28, shipped by ``skfolio``.

    Args:
        as_of: Replay date; later rows are hidden.

    Example:
        >>> SamplePrices(as_of="2020-03-01").last_session()
        Timestamp('2020-02-28 00:00:00')
    """

    def __repr__(self) -> str:
        return "SamplePrices()"

    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""
        return {"path": "sample", "as_of": None if self.as_of is None else str(self.as_of.date())}

    def _content(self) -> str:
        return f"skfolio-{_package_version()}"

    def _whole(self) -> pd.DataFrame:
        return _sample(get_settings().home / "cache" / f"sample-{_package_version()}.parquet")


@lru_cache(maxsize=1)
def _package_version() -> str:
    try:
        return version("skfolio")
    except PackageNotFoundError:
        raise DataError(
            "the sample prices come with the package skfolio, which is not installed: "
            'pip install "wf-dagster[demo]", or give your own with WF_PRICES'
        ) from None


@lru_cache(maxsize=2)
def _sample(copy: Path) -> pd.DataFrame:
    # importing the package takes longer than everything else here: keep a copy of its table
    if copy.exists():
        return read_parquet(copy)
    from skfolio.datasets import load_sp500_dataset

    wide = load_sp500_dataset().astype("float64")
    wide.index = pd.DatetimeIndex(wide.index, name="datetime").astype("datetime64[ns]")
    wide.columns.name = "instrument"
    frame: pd.DataFrame = wide.stack().rename("close").to_frame().sort_index()
    get_settings().make_home()
    copy.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=copy.parent, suffix=".part", delete=False) as part:
        frame.to_parquet(part.name)
    Path(part.name).replace(copy)
    return frame
