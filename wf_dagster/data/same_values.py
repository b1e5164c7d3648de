"""When a value that is computed twice is the same value: one answer for all checks.

Two computations of one value from more and from less data differ by rounding. Doubles carry 1e-16;
running sums, and moments about a mean that is taken of the whole series, lose up to ten digits of
it. What reads a later price moves by the size of price moves, a thousandth of a value and more. A
millionth lies between the two.

It is a millionth of the value itself, and of what is usual in its column: a difference of two large
numbers may be small by chance, and is no more exact then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

TOLERANCE = 1e-6  # of the value, and of what is usual in its column
_TIMES_NOISE = 100.0  # a draw of rounding is rarely smaller than a hundredth of another
_SAMPLED_ROWS = 10_000  # that what is usual in a column is taken from
Values = np.ndarray[Any, Any]


def usual_sizes(frame: pd.DataFrame) -> Values:
    """The median absolute value of each column, of the values that are neither 0 nor missing.

    Zeros say nothing of a column of rare events. Of long frames evenly spread rows are taken.

    Args:
        frame: Numbers; infinite ones count as missing.

    Returns:
        float64 of shape ``(columns,)``; 0 for a column without any such value.
    """
    sampled = frame.iloc[:: max(len(frame) // _SAMPLED_ROWS, 1)]
    sizes = sampled.abs().astype("float64")
    sizes = sizes.where((sizes > 0) & (sizes < np.inf))
    return sizes.median().fillna(0.0).to_numpy(dtype="float64")


def are_same(values: Values, others: Values, usual: Values) -> Values:
    """Where values are the same but for rounding.

    Args:
        values: float64 of shape ``(rows, columns)``.
        others: The same, computed in another way.
        usual: What is usual in each column (see :func:`usual_sizes`).

    Returns:
        bool of that shape; two missing values are the same.
    """
    with np.errstate(invalid="ignore"):
        same: Values = np.isclose(values, others, TOLERANCE, TOLERANCE * usual, equal_nan=True)
    return same


def is_rounding(values: Values, others: Values, noise: Values) -> Values:
    """Where values that are not the same differ by no more than rounding does in such prices.

    One wrong price, ten thousand times too large, leaves a kurtosis of returns few digits or none.
    How many can be seen: what prices that are a trillionth off change in a value is rounding.

    Args:
        values: float64 of shape ``(rows, columns)``.
        others: The same, computed in another way.
        noise: What that trillionth has changed in each column, at most.
    """
    with np.errstate(invalid="ignore"):
        rounded: Values = np.abs(values - others) <= _TIMES_NOISE * noise
    return rounded
