"""A market for Qlib and for this project; needs nothing of either."""

from __future__ import annotations

import numpy as np
import pandas as pd

HOLIDAYS = ["2020-01-20", "2020-02-17", "2020-04-10", "2020-05-25", "2020-07-03", "2020-09-07"]
HOLIDAYS += ["2020-11-26", "2020-12-25"]
CALENDAR = pd.bdate_range("2020-01-02", "2020-12-31").difference(pd.DatetimeIndex(HOLIDAYS))
SESSIONS = CALENDAR[:168]  # those with prices
TRAIN, TEST, STEP, REACH = 25, 70, 8, 3
BEGIN, END = TEST + 3, TEST + 33
WINDOWS = (2, 5)
ALPHA = 0.001


def day(position: int) -> str:
    """A session as an ISO date."""
    return f"{CALENDAR[position]:%Y-%m-%d}"


SEGMENTS = {"train": (day(TRAIN), day(TEST - 1)), "test": (day(TEST), day(TEST + STEP - 1))}


def close() -> pd.DataFrame:
    """Sessions times instruments; one is delisted."""
    random = np.random.default_rng(7)
    steps = random.normal(0.0, 0.02, (len(SESSIONS), 6)).cumsum(axis=0)
    names = pd.Index([f"S{number}" for number in range(6)], name="instrument")
    made = pd.DataFrame(100 * np.exp(steps), index=SESSIONS.rename("datetime"), columns=names)
    made.loc[SESSIONS[TEST + 12] :, "S5"] = np.nan
    return made


def data() -> pd.DataFrame:
    """Features and labels as Qlib's static loader takes them."""
    prices = close()
    columns = {("feature", f"momentum_{w}"): prices / prices.shift(w) - 1 for w in WINDOWS}
    columns["label", "label"] = prices.shift(-REACH) / prices.shift(-1) - 1
    rows = prices.stack().index
    made = {name: wide.stack(future_stack=True).reindex(rows) for name, wide in columns.items()}
    return pd.DataFrame(made)
