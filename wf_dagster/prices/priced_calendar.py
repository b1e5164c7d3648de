"""The calendar of prices: their own sessions, continued by those that an exchange publishes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError
from wf_dagster.exchanges import (
    ExchangeFit,
    closest_exchange,
    compare_with_exchange,
    exchange_sessions,
    published_range,
)
from wf_dagster.log_once import warn_once
from wf_dagster.moments import has_times
from wf_dagster.prices.base import PriceSource

_log = logging.getLogger(__name__)
_AHEAD = pd.DateOffset(years=1)
_SHORT_NOTICE = pd.Timedelta(days=45)  # what is known ahead, below which a warning is due
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class PricedCalendar:
    """The sessions of prices and of the exchange that continues them.

    Attributes:
        calendar: Sessions with prices, then those to come.
        fit: Where the prices differ from the exchange; ``None`` when no exchange continues them.
    """

    calendar: TradingCalendar
    fit: ExchangeFit | None


def make_priced_calendar(source: PriceSource, exchange: str | None, folder: Path) -> PricedCalendar:
    """The calendar of prices.

    Args:
        source: The prices.
        exchange: Code of the exchange that was named; ``None`` takes the one whose sessions the
            prices have, if there is one.
        folder: Where it is kept which exchange that is.

    Raises:
        CalendarError: The exchange is unknown, or its sessions are not those of the prices.
        DataError: The prices cannot be read.
    """
    days, last = source.sessions(), source.last_session()
    if exchange is None:
        closest = closest_exchange(days, folder)
        fit = closest if closest is not None and closest.is_close else None
    else:
        fit = compare_with_exchange(exchange, days)
        if not fit.is_close:
            raise _no_fit(source, fit, closest_exchange(days, folder))
    if fit is None:
        return PricedCalendar(TradingCalendar(days, last), None)
    if fit.misfits:
        warn_once(_log, f"{source!r}: {fit.describe()}; the sessions are those of the prices")
    return PricedCalendar(
        TradingCalendar(days.append(_sessions_ahead(fit.exchange, days)), last), fit
    )


def _sessions_ahead(exchange: str, days: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """What the exchange publishes of the year after the prices.

    Nothing of bars within days: how many a coming day will have is not known.
    """
    if has_times(days):
        return days[:0]
    last = days[-1].normalize()
    low, high = published_range(exchange)
    if last < low:
        _log.info("%s publishes its sessions from %s on: none is known ahead", exchange, low.date())
        return days[:0]
    end = last + _AHEAD
    if high < end:
        level = logging.WARNING if high - last < _SHORT_NOTICE else logging.INFO
        _log.log(
            level,
            "%s publishes its sessions up to %s: later ones are known after an upgrade of the "
            "package exchange_calendars",
            exchange,
            high.date(),
        )
    return exchange_sessions(exchange, last + _DAY, end)


def _no_fit(source: PriceSource, fit: ExchangeFit, closest: ExchangeFit | None) -> CalendarError:
    remedy = "write calendar='prices' (WF_CALENDAR) for the sessions of the prices"
    if closest is not None and closest.is_close:
        remedy = f"closest: {closest.exchange}; name that one, or {remedy}"
    return CalendarError(
        f"calendar={fit.exchange!r} does not fit {source!r}: {fit.describe()}; {remedy}"
    )
