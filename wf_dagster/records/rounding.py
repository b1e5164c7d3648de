"""When values differ by rounding alone, so that a ratio of them would be a figure of noise."""

from __future__ import annotations

from typing import Any

import numpy as np

# A double holds 2e-16 of its size, and what is compared here is a sum of up to some thousand terms:
# correlations and growth factors, of the order of one. A difference of 1e-12 is less than a cent on
# an account of ten billion.
ROUNDING = 1e-12


def varies(values: Any) -> bool:
    """Whether values have a standard deviation (ddof 1) that is more than rounding.

    Args:
        values: Correlations, returns as fractions, or larger numbers; NaN is left out.
    """
    known = _known(values)
    if len(known) < 2:
        return False
    return bool(known.std(ddof=1) > ROUNDING * max(1.0, float(np.abs(known).max())))


def is_nothing(values: Any) -> bool:
    """Whether values, differences of growth factors, are all 0 up to rounding."""
    known = _known(values)
    return bool(len(known)) and float(np.abs(known).max()) <= ROUNDING


def _known(values: Any) -> Any:
    array = np.asarray(values, dtype="float64")
    return array[~np.isnan(array)]
