"""The prices of the desk, written by an asset of its own; these are made up."""

import dagster as dg
import numpy as np
import pandas as pd

from desk.paths import PRICES

SESSIONS = pd.bdate_range("2021-01-04", "2023-06-30", name="datetime")
CODES = [f"{number:06d}" for number in range(1, 61)]  # 000001 to 000060
DELISTED = ("000007", "2022-03-31")  # its last session
LISTED_LATE = ("000042", "2022-02-01")  # its first session


@dg.asset(kinds={"csv"})
def prices() -> dg.MaterializeResult:
    """Closes and volumes of sixty instruments, as a vendor would deliver them."""
    table = make_prices()
    PRICES.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(PRICES, index=False)
    return dg.MaterializeResult(metadata={"rows": len(table), "last": str(table["datetime"].max())})


def make_prices() -> pd.DataFrame:
    """Random walks with a common market, in long format; the same ones each time."""
    random = np.random.default_rng(7)
    steps = random.normal(0.0003, 0.01, (len(SESSIONS), 1))
    steps = steps + random.normal(0.0, 0.015, (len(SESSIONS), len(CODES)))
    columns = pd.Index(CODES, name="instrument")
    closes = pd.DataFrame(50 * np.exp(steps.cumsum(axis=0)), index=SESSIONS, columns=columns)
    closes.loc[closes.index > DELISTED[1], DELISTED[0]] = np.nan
    closes.loc[closes.index < LISTED_LATE[1], LISTED_LATE[0]] = np.nan
    table = closes.stack().dropna().rename("close").reset_index()
    return table.assign(volume=random.integers(10_000, 1_000_000, len(table)))
