"""A recorder of this project's, compared with what one of plain Qlib's holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_OWN_METRICS = {"fit_seconds"}


def assert_same_metrics(recorder: Any, theirs: dict[str, float]) -> None:
    """All of Qlib's metrics, equal to 1e-9, and none besides what this project adds."""
    ours = recorder.list_metrics()
    assert set(ours) - _OWN_METRICS == set(theirs)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=1e-9, err_msg=name)


def assert_same_frame(ours: Any, theirs: Any) -> None:
    """Rows and values to the bit."""
    pd.testing.assert_frame_equal(pd.DataFrame(ours), pd.DataFrame(theirs), check_exact=True)
