"""What a market is given, in one form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wf_dagster.prices.addresses import complete_address, is_address
from wf_dagster.prices.descriptions import SAMPLE, path_of
from wf_dagster.qlib_bridge.options import freq_of

if TYPE_CHECKING:
    import pandas as pd


def is_calendar(value: Any) -> bool:
    """Whether it is a trading calendar."""
    from wf_dagster.calendars import TradingCalendar  # slow, but whoever gives one has imported it

    return isinstance(value, TradingCalendar)


def earliest(*dates: Any) -> pd.Timestamp | None:
    """The earliest of some replay dates, those that are empty aside; ``None`` if all are.

    Raises:
        CalendarError: One of them is no date, or has a time of day.
    """
    if not any(dates):
        return None
    from wf_dagster.moments import earliest_day  # slow to import

    return earliest_day(*dates)


def make_absolute(prices: Any) -> Any:
    """A path that names the same prices for whoever reads it, wherever that process stands."""
    if isinstance(prices, Mapping) and "path" in prices:
        others = {key: value for key, value in prices.items() if key not in ("table", "query")}
        return {**others, "path": make_absolute(path_of(prices))}
    if isinstance(prices, str) and is_address(prices):
        return complete_address(prices)
    if isinstance(prices, (str, os.PathLike)) and prices != SAMPLE and not freq_of(prices):
        return str(Path(prices).expanduser().absolute())
    return prices


def date_of(prices: Any) -> Any:
    """The replay date of the prices themselves."""
    return prices.get("as_of") if isinstance(prices, Mapping) else getattr(prices, "as_of", None)
