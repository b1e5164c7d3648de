"""Prices in Qlib's format, for the tests: calendar, instruments and one file a field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.made_bars import new_york_bars

FIELDS = ("open", "high", "low", "close", "volume", "vwap", "factor")


def write_provider(
    folder: Path,
    prices: pd.DataFrame,
    future: int = 60,
    freq: str = "day",
    markets: dict[str, list[str]] | None = None,
) -> Path:
    """Write a provider directory.

    Args:
        folder: Where to.
        prices: Rows ``(datetime, instrument)``, a column a field.
        future: Business days after the last one that the future calendar holds.
        freq: Name of the frequency.
        markets: Further instrument lists by name; ``all`` is always there.
    """
    days = prices.index.get_level_values("datetime").unique().sort_values()
    ahead = days.append(pd.bdate_range(days[-1] + pd.Timedelta(days=1), periods=future))
    for sub in ("calendars", "instruments", "features"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    _write_lines(folder / "calendars" / f"{freq}.txt", days)
    _write_lines(folder / "calendars" / f"{freq}_future.txt", ahead)
    spans = {}
    is_daily = (days == days.normalize()).all()
    for name, frame in prices.groupby("instrument"):
        rows = frame.droplevel("instrument")
        first, last = rows.index[0], rows.index[-1]
        form = "%Y-%m-%d" if is_daily else "%Y-%m-%d %H:%M:%S"
        spans[name] = f"{name}\t{first:{form}}\t{last:{form}}"
        start = days.get_loc(first)
        filled = rows.reindex(days[start : days.get_loc(last) + 1])
        home = folder / "features" / str(name).lower()
        home.mkdir(exist_ok=True)
        for field in filled.columns:
            values = np.hstack([[start], filled[field].to_numpy()]).astype("<f4")
            values.tofile(home / f"{field}.{freq}.bin")
    for market, names in {"all": list(spans), **(markets or {})}.items():
        lines = [spans[name] for name in names]
        (folder / "instruments" / f"{market}.txt").write_text("".join(f"{x}\n" for x in lines))
    return folder


def seeded_panel(instruments: int = 8, days: int = 420, seed: int = 11) -> pd.DataFrame:
    """Random walks with gaps: late listings, an early end and missing days."""
    random = np.random.default_rng(seed)
    sessions = pd.bdate_range("2019-01-02", periods=days, name="datetime")
    frames = {}
    for number in range(instruments):
        steps = random.normal(0.0003, 0.02, days)
        close = 20 * (1 + number / 3) * np.exp(np.cumsum(steps))
        rows = _bars(close, random, sessions)
        if number == 1:
            rows = rows.iloc[days // 8 :]
        if number == 2:
            rows = rows.iloc[: -days // 6]
        if number == 3:
            rows = rows.drop(rows.index[100:107])
        frames[f"SH60000{number}"] = rows
    return _stacked(frames)


def bar_panel(instruments: int = 4) -> pd.DataFrame:
    """Half hours of New York around Thanksgiving 2023, one instrument listed late."""
    bars = new_york_bars("2023-10-02", "2023-12-08")
    random = np.random.default_rng(17)
    frames = {}
    for number in range(instruments):
        steps = random.normal(0, 0.004, len(bars))
        rows = _bars(30 * (1 + number / 4) * np.exp(np.cumsum(steps)), random, bars)
        frames[f"US{number}"] = rows.iloc[40:] if number == 1 else rows
    return _stacked(frames)


def grow(folder: Path, last: str | None = None) -> Path:
    """Write the seeded panel up to a session, or all of it."""
    panel = seeded_panel()
    if last is not None:
        panel = panel[panel.index.get_level_values("datetime") <= last]
    return write_provider(folder, panel)


def sample_panel(instruments: int = 8, start: str = "2018-01-02", end: str = "2020-06-30"):
    """The sample prices, with bars made around their closes."""
    from wf_dagster.prices import SamplePrices

    prices = SamplePrices().load(start=start, end=end)["close"].unstack("instrument")
    random = np.random.default_rng(3)
    chosen = prices[sorted(prices.columns)[:instruments]]
    return _stacked({name: _bars(chosen[name].to_numpy(), random, chosen.index) for name in chosen})


def _bars(close: np.ndarray, random: np.random.Generator, days: pd.DatetimeIndex) -> pd.DataFrame:
    spread = np.abs(random.normal(0, 0.008, (3, len(close))))
    open_price = close * (1 + random.normal(0, 0.006, len(close)))
    top, bottom = np.maximum(open_price, close), np.minimum(open_price, close)
    bars = {
        "open": open_price,
        "high": top * (1 + spread[0]),
        "low": bottom * (1 - spread[1]),
        "close": close,
        "volume": random.lognormal(13, 0.5, len(close)),
        "vwap": (open_price + close + top + bottom) / 4,
        "factor": np.ones(len(close)),
    }
    return pd.DataFrame(bars, index=days)


def _stacked(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, names=["instrument", "datetime"]).swaplevel().sort_index()


def _write_lines(path: Path, days: pd.DatetimeIndex) -> None:
    form = "%Y-%m-%d" if (days == days.normalize()).all() else "%Y-%m-%d %H:%M:%S"
    path.write_text("".join(f"{day:{form}}\n" for day in days))
