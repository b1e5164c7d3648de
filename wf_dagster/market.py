"""The market of a strategy: which prices, on which sessions, and up to when they are seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.dates import read_moment
from wf_dagster.errors import CalendarError, DataError
from wf_dagster.market_arguments import date_of, earliest, is_calendar, make_absolute
from wf_dagster.prices.descriptions import SAMPLE, check_coverage
from wf_dagster.prices.recorded_sessions import RecordedSessions
from wf_dagster.qlib_bridge.options import QLIB, QlibOptions, freq_of
from wf_dagster.qlib_bridge.options_in_use import adopt_qlib_init as adopt_qlib_init
from wf_dagster.qlib_bridge.options_in_use import is_qlib_in_use as is_qlib_in_use
from wf_dagster.settings import get_settings
from wf_dagster.tasks.config import class_path

# a market is described while definitions load: what reads its prices is imported in the functions
# that do, as it is slow to import
if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.calendars import TradingCalendar
    from wf_dagster.exchanges import ExchangeFit
    from wf_dagster.prices.base import PriceSource
    from wf_dagster.prices.priced_calendar import PricedCalendar
    from wf_dagster.tables.cache import TableCache

_OF_PRICES = "prices"
_OWN = "own"
_SAMPLE_EXCHANGE = "XNYS"
_CACHED_CALENDARS = 64


class Market:
    """Where prices come from, which calendar their sessions stand on, and up to when they are seen.

    A strategy has one, and all that counts sessions for it (labels, segments, rolls, checks,
    schedules) counts on its calendar. It is a description: nothing is read before it is asked for,
    and each answer is that of now, as prices and replay clocks move on. It can be pickled, and
    holds in worker processes what it holds here.

    Args:
        prices: ``"sample"``; ``"qlib"`` for Qlib's data, ``"qlib:30min"`` for those of a frequency;
            the path of a Parquet, CSV or Feather file, or of a folder of them; the address of one
            (``"s3://bucket/prices"``) or of a table (``"sqlite:////data/prices.db#table"``);
            ``{"path": address, "query": ...}``; ``{"class": "package.MyPrices", "kwargs": {...}}``;
            what ``source.spec()`` gave; a :class:`PriceSource`; default that of the settings.
        calendar: Code of an exchange such as ``"XNYS"``, ``"prices"`` for the sessions of the
            prices themselves, ``"qlib"`` or ``"qlib:30min"`` for Qlib's calendar, or a calendar of
            your own; default that of the settings for their prices, and else the sessions of the
            prices, ``"XNYS"`` for the sample and ``"qlib"`` for Qlib's data.
        as_of: Replay date: later prices are hidden. Of this one, that of the prices and that of the
            settings the earliest holds.
        min_coverage: Share of the instruments that must have a close on the last session (see
            :mod:`wf_dagster.prices.coverage`); default that of the settings. Sources of your own
            and Qlib's data say themselves which sessions they have.

    Raises:
        CalendarError: The calendar is neither a name nor a calendar, or a date is none.
        DataError: The address of the prices holds a password, or ``min_coverage`` is no share.

    Example:
        >>> market = Market("sample", "XNYS", as_of="2020-03-01")
        >>> market.prices.last_session(), market.calendar.last_session
        (Timestamp('2020-02-28 00:00:00'), Timestamp('2020-02-28 00:00:00'))
        >>> market.at("2020-01-31").as_of
        Timestamp('2020-01-31 00:00:00')
    """

    _min_coverage: float | None = None

    def __init__(
        self,
        prices: Any = None,
        calendar: str | TradingCalendar | None = None,
        as_of: Any = None,
        min_coverage: float | None = None,
    ) -> None:
        if calendar is not None and not (isinstance(calendar, str) or is_calendar(calendar)):
            raise CalendarError(
                f"calendar is a {type(calendar).__name__}: a market takes the code of an exchange, "
                "'prices', 'qlib', or sessions of your own as TradingCalendar(sessions)"
            )
        self._prices = make_absolute(prices)
        self._calendar = calendar
        self._as_of = earliest(as_of, date_of(prices))
        if min_coverage is not None:  # else no part of what is pickled, nor of fingerprints
            self._min_coverage = check_coverage(min_coverage)

    @classmethod
    def of(cls, market: Market | None) -> Market:
        """The market that somebody was given; ``None`` is that of the settings.

        Raises:
            DataError: It is something else.
        """
        if market is not None and not isinstance(market, Market):
            raise DataError(
                f"market={market!r} is no Market: write market=Market(prices=..., calendar=...)"
            )
        return market or cls()

    def __repr__(self) -> str:
        arguments = {
            "prices": self._prices,
            "calendar": self._calendar,
            "as_of": self._as_of,
            "min_coverage": self._min_coverage,
        }
        parts = (f"{name}={value!r}" for name, value in arguments.items() if value is not None)
        return f"Market({', '.join(parts)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Market) and self._description() == other._description()

    def __hash__(self) -> int:
        return hash(repr(self))

    def _description(self) -> tuple[Any, ...]:
        return self._prices, self._calendar, self._as_of, self._min_coverage

    @property
    def is_default(self) -> bool:
        """Whether it is that of the settings, whatever its replay date."""
        return self._prices is None and self._calendar is None and self._min_coverage is None

    @property
    def as_of(self) -> pd.Timestamp | None:
        """The replay date; ``None`` when nothing is hidden."""
        return earliest(self._as_of, get_settings().replay_date())

    def hidden_after(self, *, by_clock: bool = True) -> dt.date | None:
        """The replay date as a plain date, with or without that of the replay clock."""
        settings = get_settings()
        date = settings.replay_date() if by_clock else settings.as_of
        dates = [] if self._as_of is None else [self._as_of.date()]
        return min([*dates, read_moment(date).date()] if date else dates, default=None)

    def at(self, as_of: Any) -> Market:
        """The market as it was seen at a date; ``None`` hides no more than this one does."""
        if not as_of:
            return self
        until = earliest(as_of, self._as_of)
        return Market(self._prices, self._calendar, until, self._min_coverage)

    def without_as_of(self) -> Market:
        """The market without a replay date of its own."""
        return Market(self._prices, self._calendar, min_coverage=self._min_coverage)

    def with_prices(self, prices: Any) -> Market:
        """The market of a task that names prices of its own; ``None`` names none.

        A calendar that was named stays; else the sessions are those of these prices.
        """
        if prices is None:
            return self
        calendar = self._calendar or get_settings().calendar or None
        return Market(prices, calendar, self._as_of, self._min_coverage)

    @property
    def prices(self) -> PriceSource:
        """The prices, without those that the replay date hides.

        Raises:
            DataError: What was given is no price source, or one of your own that shows more than
                the replay date.
        """
        from wf_dagster.prices.base import FrameSource
        from wf_dagster.prices.choose import make_source

        settings = get_settings()
        if freq := freq_of(self._prices_name):
            from wf_dagster.qlib_bridge.qlib_prices import QlibPrices

            return QlibPrices(self.qlib_options, self.as_of, freq)
        spec = settings.prices if self._prices is None else self._prices
        source = make_source(spec, self.as_of, sample_folder=settings.home / "cache")
        if isinstance(source, FrameSource):
            return source.with_coverage(self.min_coverage)
        return source

    @property
    def min_coverage(self) -> float:
        """Share of the instruments that must have a close on the last session."""
        return get_settings().min_coverage if self._min_coverage is None else self._min_coverage

    @property
    def _prices_name(self) -> Any:
        """``"sample"``, ``"qlib"``, a path, or the source that was given."""
        if self._prices is None:
            return get_settings().prices
        return self._prices.get("path") if isinstance(self._prices, Mapping) else self._prices

    @property
    def calendar(self) -> TradingCalendar:
        """The sessions, with data up to the last one that has prices.

        Up to that one they are the sessions of the prices, whatever the exchange: labels and
        windows count rows of prices. The exchange continues them for a year, as far as it
        publishes its sessions, so that the test window of the current roll is known in full:
        the one that was named, or the one whose sessions the prices have.

        Raises:
            CalendarError: The exchange is not known, or its sessions are not those of the prices.
            DataError: The prices cannot be read.
        """
        if self.own_calendar is not None:
            return self.own_calendar.until(self.as_of and self.as_of.date())
        if freq := freq_of(self.calendar_name):
            from wf_dagster.qlib_bridge.calendar import read_calendar

            calendar = read_calendar(self.qlib_options, None, freq)
            self.recorded_sessions.note(calendar, f"{len(calendar)} {calendar!r}")
            return calendar.until(self.as_of and self.as_of.date())
        return self._priced_calendar.calendar

    @property
    def own_calendar(self) -> TradingCalendar | None:
        """The sessions of the user's own that it was given."""
        return None if isinstance(self._calendar, str) else self._calendar

    @property
    def exchange_fit(self) -> ExchangeFit | None:
        """Days on which the exchange and the prices differ.

        ``None`` for sessions that no exchange continues: Qlib's, one's own, weekly ones.
        """
        if self.calendar_name == _OWN or freq_of(self.calendar_name):
            return None
        return self._priced_calendar.fit

    @property
    def _priced_calendar(self) -> PricedCalendar:
        from wf_dagster.prices.priced_calendar import make_priced_calendar

        source, folder = self.prices, get_settings().home / "cache"
        key = (self.calendar_name, source.version())
        calendar = _CALENDARS.get(key)
        if calendar is None:
            while len(_CALENDARS) >= _CACHED_CALENDARS:
                _CALENDARS.pop(next(iter(_CALENDARS)), None)
            calendar = make_priced_calendar(source, self._exchange_named, folder)
            _CALENDARS[key] = calendar
        self.recorded_sessions.note_prices(source, calendar, self._exchange_named)
        return calendar

    @property
    def _exchange_named(self) -> str | None:
        return None if self.calendar_name == _OF_PRICES else self.calendar_name

    @property
    def recorded_sessions(self) -> RecordedSessions:
        """The sessions that the prices had when they were last read, by whichever process."""
        settings = get_settings()
        spec = make_absolute(settings.prices) if self._prices is None else self._prices
        return RecordedSessions(
            settings.home / "cache", spec, self.calendar_name, self.min_coverage
        )

    @property
    def calendar_name(self) -> str:
        """Code of an exchange, ``"prices"``, ``"qlib"``, or ``"own"``."""
        if self.own_calendar is not None:
            return _OWN
        if isinstance(self._calendar, str) and self._calendar:
            return self._calendar
        settings = get_settings()
        name = self._prices_name
        if settings.calendar and name in (settings.prices, make_absolute(settings.prices)):
            return settings.calendar
        if freq_of(name):
            return str(name)
        if name != SAMPLE:
            return _OF_PRICES
        return QLIB if settings.prices == SAMPLE and is_qlib_in_use(settings) else _SAMPLE_EXCHANGE

    @property
    def exchange(self) -> str | None:
        """Code of the exchange whose sessions these are; ``None`` if they are no exchange's."""
        if self.calendar_name != _OF_PRICES:
            is_no_exchange = self.calendar_name == _OWN or freq_of(self.calendar_name)
            return None if is_no_exchange else self.calendar_name
        fit = self.exchange_fit
        return None if fit is None else fit.exchange

    @property
    def last_session(self) -> pd.Timestamp:
        """The last session with prices."""
        return self.calendar.last_session

    @property
    def stands_still(self) -> bool:
        """Whether time is what the prices show: they are replayed, or the sample, which has an end.

        Then nothing becomes due by the clock on the wall.
        """
        return self.as_of is not None or self.is_sample

    @property
    def is_sample(self) -> bool:
        """Whether its prices are the sample, on other than Qlib's sessions."""
        return self._prices_name == SAMPLE and not freq_of(self.calendar_name)

    def with_calendar(self, calendar: str | TradingCalendar | None) -> Market:
        """The same prices on another calendar; ``None`` is the default for these prices."""
        return Market(self._prices, calendar, self._as_of, self._min_coverage)

    @property
    def is_replayed(self) -> bool:
        """Whether a replay clock hides later prices, which will be seen as it moves on."""
        return get_settings().is_replaying()

    def sessions_to_replay(self) -> pd.DatetimeIndex:
        """The sessions with prices, those that the replay clock hides too.

        Raises:
            DataError: The prices cannot be replayed.
        """
        as_of = earliest(self._as_of, get_settings().as_of)
        from wf_dagster.prices.base import FrameSource

        if freq := freq_of(self.calendar_name):
            from wf_dagster.qlib_bridge.calendar import sessions_with_data

            days = sessions_with_data(self.qlib_options, freq)
            return days if as_of is None else days[days <= as_of]
        source = self.prices
        if not isinstance(source, FrameSource):
            raise DataError(
                f"{source!r} cannot be replayed: it has not all its prices in one frame"
            )
        return source.at(as_of).sessions()

    @property
    def qlib_options(self) -> QlibOptions:
        """What Qlib is initialised with, here and in worker processes."""
        return adopt_qlib_init()

    @property
    def modules(self) -> set[str]:
        """Modules of a price source, or calendar, of one's own; a pickled market names them."""
        parts = (self._prices, self._calendar)
        objects = [part for part in parts if not isinstance(part, (str, Mapping, type(None)))]
        named = isinstance(self._prices, Mapping) and class_path(self._prices)
        modules = {named.rpartition(".")[0]} if named else set()
        return modules | {type(part).__module__ for part in objects}

    @property
    def tables(self) -> TableCache:
        """Where tables that are computed from the prices are kept; the folder is made."""
        from wf_dagster.tables.cache import TableCache

        return TableCache(get_settings().make_home() / "cache" / "features")


_CALENDARS: dict[tuple[str, str], PricedCalendar] = {}


def default_calendar() -> TradingCalendar:
    """The calendar of the settings' market (see :attr:`Market.calendar`)."""
    return Market().calendar


def price_source(spec: Any = None, as_of: Any = None) -> PriceSource:
    """The price source of a description.

    Args:
        spec: As ``prices`` of :class:`Market`.
        as_of: Replay date. Of this one, that of the description and that of the settings the
            earliest holds: a later date shows nothing that an earlier one hides.

    Raises:
        DataError: It is none of these, or a source of your own that shows more than ``as_of``.
    """
    return Market(spec, as_of=as_of).prices
