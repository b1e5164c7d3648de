"""What is known of a market's sessions without reading its prices, and without pandas."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wf_dagster.errors import WfError
from wf_dagster.market import Market
from wf_dagster.prices.recorded_sessions import is_fresh
from wf_dagster.prices.sample_sessions import LAST, sample_sessions
from wf_dagster.prices.session_record import SessionRecord, read_record, write_record
from wf_dagster.qlib_bridge.options import DAILY, freq_of
from wf_dagster.qlib_bridge.provider_days import count_sessions

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar

_log = logging.getLogger(__name__)
_LONG_AGO = dt.date(2000, 1, 1)  # from when on the sessions of an exchange are recorded
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class KnownSessions:
    """Sessions, and what is known of the prices on them.

    Attributes:
        days: The days that have sessions, sorted; those to come included.
        bars: The sessions of each day; ``None`` where each has one.
        last: The last day with prices; ``None`` where nobody has read them.
        grows: Whether prices are still coming, as far as is known.
        are_guessed: Whether they are weekdays, for want of anything better.
        are_fixed: Whether no price that is read will change that.
    """

    days: Sequence[dt.date]
    bars: Sequence[int] | None = None
    last: dt.date | None = None
    grows: bool = True
    are_guessed: bool = False
    are_fixed: bool = False

    def reach(self, day: dt.date) -> KnownSessions:
        """The same, continued to a day by weekdays, or by every day where weekends have sessions.

        Bars are not continued: how many a coming day will have is not known.
        """
        first = self.days[-1] + _DAY
        if first > day or self.bars is not None:
            return self
        weekends = any(known.weekday() > 4 for known in self.days[-30:])
        further = [d for d in _days(first, day) if weekends or d.weekday() < 5]
        return replace(self, days=[*self.days, *further])


def known_sessions(market: Market, start: dt.date) -> KnownSessions:
    """What is known of a market's sessions, its replay date left aside.

    In this order: a calendar of the user's own; those that the prices had when they were last read;
    those of the sample; those that the named exchange publishes, or that stand in Qlib's data;
    weekdays.

    Args:
        market: Nothing of its prices is read.
        start: From which day on they are asked for.
    """
    if market.own_calendar is not None:
        return _own(market.own_calendar)
    name = market.calendar_name
    record = _recorded(market)
    if record is not None:
        is_sample = market.is_sample
        return KnownSessions(
            record.days, record.bars, record.last, record.grew, are_fixed=is_sample
        )
    if market.is_sample and name == "XNYS":
        return KnownSessions(sample_sessions(), None, LAST, grows=False, are_fixed=True)
    if (freq := freq_of(name)) and (counts := count_sessions(market.qlib_options, freq)):
        days = sorted(counts)
        bars = None if freq == DAILY else [counts[day] for day in days]
        return KnownSessions(days, bars, days[-1], is_fresh(days[-1]))
    if freq is None and name != "prices" and (published := _published(name, start, market)):
        return KnownSessions(published)
    weekdays = [day for day in _days(start, start + 7 * _DAY) if day.weekday() < 5]
    return KnownSessions(weekdays, are_guessed=True)


def _recorded(market: Market) -> SessionRecord | None:
    try:
        return market.recorded_sessions.read()
    except WfError as error:  # of a source that cannot be described
        _log.info("no sessions are recorded for %r: %s", market, error)
        return None


def _own(calendar: TradingCalendar) -> KnownSessions:
    bars = None
    if calendar.has_bars:
        bars = calendar.sessions.normalize().value_counts().sort_index().tolist()
    last = calendar.last_session.date()
    return KnownSessions(list(calendar.days.date), bars, last, is_fresh(last), are_fixed=True)


def _published(exchange: str, start: dt.date, market: Market) -> Sequence[dt.date]:
    """The sessions of an exchange, from the home folder where they were asked for before.

    What is wrong with the name is said when something runs, as what is wrong with prices.
    """
    first = min(start, _LONG_AGO)
    file = market.recorded_sessions.folder / f"published-{exchange.replace('/', '-')}.json"
    record = read_record(file)
    today = dt.datetime.now(dt.timezone.utc).date()
    if record is not None and record.days[0] - 10 * _DAY <= first and today < record.days[-1]:
        return record.days
    import pandas as pd  # slow to import, as the next: once a home

    from wf_dagster.exchanges import exchange_sessions

    try:
        sessions = exchange_sessions(
            exchange, pd.Timestamp(first), pd.Timestamp(today) + pd.DateOffset(years=2)
        )
    except WfError as error:
        _log.warning("%s", error)
        return ()
    days = list(sessions.date)
    if days:
        write_record(file, SessionRecord(days, days[-1]))
    return days


def _days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    for number in range(first.toordinal(), last.toordinal() + 1):
        yield dt.date.fromordinal(number)
