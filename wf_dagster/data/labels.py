"""Labels: what is to be forecast. They look ahead, and say how far.

A label function of one's own says so by parameters ``horizon`` and ``lag``, or by the decorator
:func:`looks_ahead`.
"""

from __future__ import annotations

import pandas as pd

from wf_dagster.data.features import to_rows, to_wide
from wf_dagster.tasks.look_ahead import looks_ahead

__all__ = ["forward_return", "looks_ahead"]


def forward_return(prices: pd.DataFrame, horizon: int = 5, lag: int = 1) -> pd.DataFrame:
    """Return over ``horizon`` sessions of a trade made ``lag`` sessions after the signal.

    ``close[t+lag+horizon] / close[t+lag] - 1``: known ``lag + horizon`` sessions after ``t``,
    which is what ``trunc_days`` of a rolling generator should be at least.

    Sessions are those of all instruments together, not of each alone as in features: a label that
    waited for the next close of its own instrument would be known later than ``trunc_days`` counts,
    and learned from too early. Where an instrument has no close at one of the two ends, its label
    is missing.

    Args:
        prices: Rows ``(datetime, instrument)``, column ``close``.
        horizon: Sessions that the position is held.
        lag: Sessions from the signal to the trade.

    Returns:
        The same rows; float64 column ``label``, a fraction, NaN where it is not known yet.
    """
    close = to_wide(prices)
    returns = close.shift(-(lag + horizon)) / close.shift(-lag) - 1
    return to_rows({"label": returns}, prices.index)
