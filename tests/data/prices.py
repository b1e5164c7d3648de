"""Small made-up prices, and feature functions that the tests name by dotted path."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from wf_dagster.data.features import to_rows, to_wide


def walk(sessions: int = 300, instruments: int = 6, seed: int = 0) -> pd.DataFrame:
    """Random walks in long format: columns datetime, instrument, close, volume."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=sessions, name="datetime")
    names = pd.Index([f"S{i}" for i in range(instruments)], name="instrument")
    steps = rng.normal(0, 0.01, (sessions, instruments))
    close = pd.DataFrame(100 * np.exp(np.cumsum(steps, axis=0)), days, names).stack()
    frame = close.rename("close").reset_index()
    return frame.assign(volume=rng.integers(1, 1000, len(frame)).astype("float64"))


def write(path: Path, frame: pd.DataFrame) -> str:
    """The frame as a Parquet or CSV file; returns its path."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return str(path)


def counted(prices: pd.DataFrame, log: str, scale: float = 1.0) -> pd.DataFrame:
    """A feature that leaves a line in a file each time it is computed."""
    with Path(log).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return pd.DataFrame({"f": prices["close"] * scale}, index=prices.index)


def tomorrow(prices: pd.DataFrame) -> pd.DataFrame:
    """A feature that looks one session ahead, as none may."""
    close = to_wide(prices)
    return to_rows({"tomorrow": close.shift(-1) / close - 1}, prices.index)


def scaled_by_all(prices: pd.DataFrame) -> pd.DataFrame:
    """A feature that leaks in a subtler way: scaled by a mean over all sessions."""
    close = to_wide(prices)
    return to_rows({"scaled": close / close.mean()}, prices.index)


def nothing(prices: pd.DataFrame) -> pd.DataFrame:
    """A feature that never has a value."""
    return pd.DataFrame({"nothing": np.nan}, index=prices.index)


def too_short(prices: pd.DataFrame) -> pd.DataFrame:
    """A frame that lacks a row of the prices."""
    return prices[["close"]].iloc[1:]
