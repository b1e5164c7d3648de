"""Reading Parquet without Arrow's thread pools.

A process that ends soon after a threaded read (``pandas.read_parquet``) now and then aborts as
it exits: "terminate called without an active exception" (apache/arrow issue 34314).
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pandas as pd


def read_parquet(path: Path) -> pd.DataFrame:
    """The frame of a Parquet file, with the index it was written with."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return cast(pd.DataFrame, file.read(use_threads=False).to_pandas(use_threads=False))
