"""Qlib's recorded figures as pandas objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd


def load() -> dict[str, Any]:
    """What ``record_qlib.py`` wrote."""
    return json.loads(Path(__file__).with_name("qlib_figures.json").read_text())


def series(kept: dict[str, Any]) -> pd.Series:
    """Rows (days, or days and instruments) and values as a series."""
    rows, values = kept["rows"], kept["values"]
    if isinstance(rows[0], list):
        days, names = zip(*rows, strict=True)
        index = pd.MultiIndex.from_arrays(
            [pd.DatetimeIndex(days), names], names=["datetime", "instrument"]
        )
    else:
        index = pd.DatetimeIndex(rows, name="datetime")
    return pd.Series(values, index, dtype="float64")
