"""Which exchange the days with prices are of: the one that continues them."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from wf_dagster.exchanges.published import ExchangeFit, compare_with_exchange

_YEARS_COMPARED = 3
_LONG_ENOUGH = 300  # days from the first to the last that hold nearly every holiday of a year
_FEWEST_DAYS = 60  # of fewer days too many exchanges have the same sessions
_LOWEST_SHARE = 0.55  # of a year's days, below which no exchange trades: weekly bars, say
# Of exchanges with the same sessions the first is taken, so that the answer does not change.
_PREFERRED = (
    *("XNYS", "XSHG", "XHKG", "XTKS", "XLON", "XETR", "XPAR", "XBOM", "XTSE", "XASX", "XSWX"),
    *("XAMS", "XSTO", "XTAI", "XSES", "XJSE", "BVMF", "24/7"),
)


def closest_exchange(days: pd.DatetimeIndex, folder: Path | None = None) -> ExchangeFit | None:
    """The exchange whose sessions differ least from some days, as closely as it fits them all.

    The last three whole years are compared, or what there is up to the last whole month, so that
    the answer stays the same from one session to the next.

    Args:
        days: Sorted days with prices; times of day do not count.
        folder: Where the answer is kept: a comparison with all exchanges takes seconds.

    Returns:
        ``None`` where the days are too few, or too far apart to be an exchange's.
    """
    days = pd.DatetimeIndex(days.normalize().unique())
    compared = _select_days(days)
    if len(compared) < _FEWEST_DAYS or len(compared) < _LOWEST_SHARE * _count_days(compared):
        return None
    pattern = compared.to_numpy().astype("datetime64[D]").tobytes()
    file = None
    if folder is not None:
        state = pattern + version("exchange_calendars").encode()
        file = folder / f"exchange-{hashlib.blake2b(state, digest_size=12).hexdigest()}.txt"
    if file is not None and file.is_file():
        name = file.read_text().strip()
    else:
        name = _find_closest(pattern)
        if file is not None:
            with suppress(OSError):  # it is found again where nothing can be written
                _write_answer(file, name)
    return compare_with_exchange(name, days)


def _write_answer(file: Path, name: str) -> None:
    """Whole or not at all: other processes read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_text(name)
    part.replace(file)


@lru_cache(maxsize=64)
def _find_closest(pattern: bytes) -> str:
    import exchange_calendars  # slow to import

    days = pd.DatetimeIndex(np.frombuffer(pattern, dtype="datetime64[D]"))
    others = exchange_calendars.get_calendar_names(include_aliases=False)
    fewest, closest = len(days) + _count_days(days), _PREFERRED[0]
    for name in dict.fromkeys([*_PREFERRED, *others]):
        fit = compare_with_exchange(name, days)
        # days that an exchange does not publish are no days that fit
        misfits = fit.misfits + len(days) - fit.days
        if misfits < fewest:
            fewest, closest = misfits, name
        if not fewest:
            break
    return closest


def _select_days(days: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Those of the last three finished years; of younger prices, of the finished months."""
    for period in ("Y", "M") if len(days) else ():
        end = days[-1].to_period(period).start_time
        whole = days[(days >= end - pd.DateOffset(years=_YEARS_COMPARED)) & (days < end)]
        if _count_days(whole) >= _LONG_ENOUGH:
            return whole
    return whole if len(days) else days


def _count_days(days: pd.DatetimeIndex) -> int:
    return (days[-1] - days[0]).days + 1 if len(days) else 0
