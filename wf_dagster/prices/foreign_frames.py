"""Frames of other libraries as tables of pandas."""

from __future__ import annotations

from typing import Any

import pandas as pd

from wf_dagster.errors import DataError


def to_table(value: Any, place: str) -> pd.DataFrame:
    """A frame of pandas, Polars or Arrow as one of pandas; ``None`` has no rows.

    Args:
        value: The frame; one of Polars may be lazy.
        place: Where it is from, for messages.

    Raises:
        DataError: It is something else.
    """
    if value is None:
        return pd.DataFrame()
    if isinstance(value, pd.DataFrame):
        return value.copy()
    package = type(value).__module__.partition(".")[0]
    if package == "polars" and hasattr(value, "collect"):
        value = value.collect()
    if package in ("polars", "pyarrow") and hasattr(value, "to_pandas"):
        table = value.to_pandas()
        if isinstance(table, pd.DataFrame):
            return table
    raise DataError(
        f"{place} gave a {type(value).__name__}, not a frame of pandas, Polars or Arrow with the "
        "columns datetime, instrument and close"
    )
