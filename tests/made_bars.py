"""Half-hour bars on real sessions of New York: 13 a day, 7 on a half day."""

from __future__ import annotations

import exchange_calendars
import numpy as np
import pandas as pd

BARS, HALF_DAY_BARS = 13, 7


def new_york_days(start: str, end: str) -> tuple[pd.DatetimeIndex, set[pd.Timestamp]]:
    """The sessions of New York, and those of them that close at 13:00."""
    exchange = exchange_calendars.get_calendar("XNYS", start=start, end=end)
    closes = exchange.closes.dt.tz_convert("America/New_York").dt.hour
    days = pd.DatetimeIndex(exchange.sessions).tz_localize(None)
    return days, set(days[(closes == 13).to_numpy()])


def new_york_bars(start: str, end: str) -> pd.DatetimeIndex:
    """The end of each half hour from 10:00 to 16:00, or to 13:00."""
    days, half_days = new_york_days(start, end)
    ends = [
        day + pd.Timedelta(hours=10) + pd.Timedelta(minutes=30) * n
        for day in days
        for n in range(HALF_DAY_BARS if day in half_days else BARS)
    ]
    return pd.DatetimeIndex(ends, name="datetime")


def bar_prices(start: str, end: str, instruments: int = 6, seed: int = 3) -> pd.DataFrame:
    """Random walks that come back a little: rows ``(datetime, instrument)``, column ``close``."""
    bars = new_york_bars(start, end)
    random = np.random.default_rng(seed)
    noise = random.normal(0, 0.003, (len(bars), instruments))
    walks = np.cumsum(noise - 0.4 * np.roll(noise, 1, axis=0), axis=0)
    names = [f"BAR{n}" for n in range(instruments)]
    wide = pd.DataFrame(50 * np.exp(walks), bars, pd.Index(names, name="instrument"))
    return wide.stack().rename("close").to_frame()
