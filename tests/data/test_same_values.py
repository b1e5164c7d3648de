"""Rounding is no difference; what a later price moves is one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wf_dagster.data.same_values import are_same, is_rounding, usual_sizes


def test_what_is_usual_is_the_median_of_what_is_there() -> None:
    frame = pd.DataFrame(
        {
            "returns": [-0.02, 0.01, np.nan, 0.03, np.inf],
            "event": [0.0, 0.0, 0.0, 0.0, -4.0],
            "empty": [np.nan] * 5,
        }
    )
    assert usual_sizes(frame).tolist() == [0.02, 4.0, 0.0]


@pytest.mark.parametrize(
    ("value", "other", "usual", "same"),
    [
        (100.0, 100.0 + 9e-5, 0.0, True),  # a millionth of itself
        (100.0, 100.0 + 2e-4, 0.0, False),
        (1e-17, 0.0, 4.0, True),  # nothing, by what is usual
        (1e-17, 0.0, 0.0, False),
        (0.0, 3e-6, 4.0, True),
        (0.0, 5e-6, 4.0, False),
        (np.nan, np.nan, 1.0, True),
        (np.nan, 0.0, 1.0, False),
    ],
)
def test_the_same_value(value: float, other: float, usual: float, same: bool) -> None:
    answer = are_same(np.array([[value]]), np.array([[other]]), np.array([usual]))
    assert answer.tolist() == [[same]]


def test_rounding_is_measured() -> None:
    values, others = np.array([[1.0, 1.0, 1.0, np.nan]]), np.array([[1.09, 1.11, 1.0, 1.0]])
    rounded = is_rounding(values, others, np.array([1e-3, 1e-3, 0.0, 1e-3]))
    # 0.09 is within a hundred times the noise, 0.11 is not
    assert rounded.tolist() == [[True, False, True, False]]
