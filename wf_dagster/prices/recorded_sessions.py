"""The sessions of a market's prices: noted by whoever reads these, read by whoever does not.

Definitions load without prices, and a roll of so many sessions needs to know which days are some.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import WfError
from wf_dagster.prices.descriptions import files_state
from wf_dagster.prices.session_record import SessionRecord, read_record, write_record

# what reads prices is slow to import
if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar
    from wf_dagster.prices.base import PriceSource
    from wf_dagster.prices.priced_calendar import PricedCalendar

_FRESH_DAYS = 10  # prices that are older do not grow any more
_NOTED: dict[Path, str] = {}  # versions of prices that this process has noted the sessions of


@dataclass(frozen=True)
class RecordedSessions:
    """A small file of the home folder for each description of prices and their calendar.

    Attributes:
        folder: Where the file is.
        prices: Their description, or a source of the user's own.
        calendar: Code of an exchange, ``"prices"``, ``"qlib"``.
        min_coverage: Share of the instruments that must have a close on the last session.
    """

    folder: Path
    prices: Any
    calendar: str
    min_coverage: float

    @property
    def file(self) -> Path:
        """Where they are, or would be."""
        prices = self.prices
        if not isinstance(prices, (str, Mapping)):
            prices = prices.spec()
        if isinstance(prices, Mapping):  # a replay date hides sessions, which are there
            prices = {key: value for key, value in prices.items() if key != "as_of"}
        text = json.dumps([prices, self.calendar, self.min_coverage], sort_keys=True, default=str)
        name = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        return self.folder / f"sessions-{name}.json"

    def read(self) -> SessionRecord | None:
        """What is recorded; ``None`` where nothing is.

        Prices whose files are other ones by now have grown.
        """
        record = read_record(self.file)
        if record is not None and record.state != files_state(self.prices):
            return replace(record, grew=True)
        return record

    def note_prices(self, source: PriceSource, seen: PricedCalendar, exchange: str | None) -> None:
        """Note the sessions of prices, those that a replay date hides as well.

        Args:
            source: The prices.
            seen: Their calendar.
            exchange: Code of the exchange that was named.
        """
        from wf_dagster.prices.base import FrameSource
        from wf_dagster.prices.priced_calendar import make_priced_calendar

        whole = source.at(None) if isinstance(source, FrameSource) else source
        if whole.as_of is not None:
            return
        with suppress(WfError):  # what is wrong with prices that the replay date hides
            version = whole.version()
            if _NOTED.get(self.file) != version:
                if source.as_of is not None:
                    seen = make_priced_calendar(whole, exchange, self.folder)
                self.note(seen.calendar, version)

    def note(self, calendar: TradingCalendar, version: str) -> None:
        """Note the sessions of a calendar, once a process and version of its prices.

        Args:
            calendar: With data up to the last session with prices.
            version: Changes when one of them does.
        """
        file = self.file
        if _NOTED.get(file) == version:
            return
        days = list(calendar.days.date)
        bars = None
        if calendar.has_bars:
            bars = calendar.sessions.normalize().value_counts().sort_index().tolist()
        last = calendar.last_session.date()
        state = files_state(self.prices)
        write_record(file, SessionRecord(days, last, bars, is_fresh(last), state))
        _NOTED[file] = version


def is_fresh(last: dt.date) -> bool:
    """Whether prices that end on a day are still growing."""
    return (dt.datetime.now(dt.timezone.utc).date() - last).days <= _FRESH_DAYS
