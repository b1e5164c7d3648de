"""Digests of closes, a session each: what tells later whether the past has changed."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

Digests = npt.NDArray[np.uint64]


def digest_closes(prices: pd.DataFrame) -> pd.Series[Any]:
    """A digest of the closes of each day.

    That of a day is the sum over its instruments of a hash of name and close (modulo 2^64), so it
    does not depend on the order of rows, and those of several days can be added up to one.

    Args:
        prices: Rows ``(datetime, instrument)``, sorted by ``datetime``; column ``close``, or, of
            prices without one, any columns of numbers. Rows without a close do not count.

    Returns:
        Index of days, uint64.
    """
    index = cast(pd.MultiIndex, prices.index)
    columns = [prices["close"]] if "close" in prices.columns else [prices[c] for c in prices]
    names = pd.util.hash_array(index.levels[1].to_numpy(dtype=object))[index.codes[1]]
    hashes = np.zeros(len(index), dtype=np.uint64)
    for column in columns:
        values = column.to_numpy(dtype="float64")
        hashed = hash_values(names, values)
        hashed[np.isnan(values)] = 0
        hashes += hashed
    day = index.codes[0]
    starts = np.flatnonzero(np.r_[True, day[1:] != day[:-1]]) if len(day) else day
    sums = np.add.reduceat(hashes, starts) if len(day) else hashes
    days = pd.DatetimeIndex(index.levels[0])[day[starts]]
    return pd.Series(sums, pd.DatetimeIndex(days, name="datetime"))


def hash_values(names: Digests, values: npt.NDArray[np.float64]) -> Digests:
    """A hash of each name (itself hashed) and value: the finalizer of SplitMix64."""
    mixed = (values + 0.0).view(np.uint64)  # a copy, without a negative zero
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed ^= names
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed
