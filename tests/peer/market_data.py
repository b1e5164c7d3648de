"""What the scripts read: Qlib's format, a list of names that come and go, a benchmark, minutes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.qlib.provider import seeded_panel, write_provider

BENCHMARK = "SH000300"
PANEL = seeded_panel(10, 360)
DAYS = pd.DatetimeIndex(PANEL.index.get_level_values("datetime").unique())
MINUTE_DAYS = DAYS[-12:-2]
# from and to when a name is in the list, as positions of DAYS
MEMBERSHIP = {
    "SH600000": [(0, 359)],
    "SH600001": [(60, 150), (220, 359)],
    "SH600002": [(0, 290)],
    "SH600003": [(0, 359)],
    "SH600004": [(0, 229)],
    "SH600005": [(0, 359)],
    "SH600006": [(120, 359)],
    "SH600007": [(0, 359)],
    "SH600008": [(240, 320)],
    "SH600009": [(0, 359)],
}


def write_days(folder: Path, last: int | None = None) -> Path:
    """Daily data up to a position of ``DAYS``, or all of them; written again when they grow."""
    days = DAYS if last is None else DAYS[: last + 1]
    prices = _with_change(pd.concat([PANEL, _benchmark(PANEL)]).sort_index())
    is_visible = prices.index.get_level_values("datetime") <= days[-1]
    write_provider(folder, prices[is_visible], future=40)
    lines = [
        f"{name}\t{DAYS[start]:%Y-%m-%d}\t{days[min(end, len(days) - 1)]:%Y-%m-%d}\n"
        for name, spans in MEMBERSHIP.items()
        for start, end in spans
        if start < len(days)
    ]
    (folder / "instruments" / "csi300.txt").write_text("".join(lines))
    return folder


def write_minutes(folder: Path) -> Path:
    """Minutes of the last days but two, whose closes are those of the days."""
    random = np.random.default_rng(7)
    frames = {}
    daily = pd.concat([PANEL, _benchmark(PANEL)]).sort_index()
    times = [pd.timedelta_range(start, periods=120, freq="min") for start in ("9h30min", "13h")]
    offsets = times[0].append(times[1])
    minutes = pd.DatetimeIndex([day + step for day in MINUTE_DAYS for step in offsets])
    for name in daily.index.get_level_values("instrument").unique():
        days = daily.xs(name, level="instrument").reindex(MINUTE_DAYS)
        if days["close"].isna().all():
            continue
        noise = np.cumsum(random.normal(0, 0.0004, (len(days), len(offsets))), axis=1)
        bridge = noise - noise[:, -1:] * np.linspace(0, 1, len(offsets))
        path = np.linspace(days["open"], days["close"], len(offsets), axis=1) * np.exp(bridge)
        close = path.ravel()
        previous = np.hstack([close[:1], close[:-1]])
        frames[name] = pd.DataFrame(
            {
                "open": previous,
                "high": np.maximum(previous, close) * 1.0002,
                "low": np.minimum(previous, close) * 0.9998,
                "close": close,
                "volume": random.lognormal(9, 0.3, len(close)),
                "vwap": (previous + close) / 2,
                "factor": np.ones(len(close)),
                "change": close / previous - 1,
            },
            index=minutes.rename("datetime"),
        )
    panel = pd.concat(frames, names=["instrument", "datetime"]).swaplevel().sort_index()
    return write_provider(folder, panel, future=0, freq="1min")


def _benchmark(panel: pd.DataFrame) -> pd.DataFrame:
    """An index that earns the mean return of the names of each day."""
    closes = panel["close"].unstack("instrument")
    level = 1000 * (1 + closes.pct_change(fill_method=None).mean(axis=1).fillna(0)).cumprod()
    fields = dict.fromkeys(("open", "high", "low", "close", "vwap"), level)
    index = pd.DataFrame(fields).assign(volume=1e6, factor=1.0)
    return pd.concat({BENCHMARK: index}, names=["instrument", "datetime"]).swaplevel()


def _with_change(prices: pd.DataFrame) -> pd.DataFrame:
    change = prices.groupby("instrument")["close"].pct_change(fill_method=None)
    return prices.assign(change=change)
