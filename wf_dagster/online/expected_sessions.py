"""Up to which session something should reach by now, counted in sessions and not in days.

Weekends, holidays and early closes are the exchange's: nothing is due while it rests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from wf_dagster.errors import CalendarError
from wf_dagster.exchanges import exchange_closes
from wf_dagster.market import Market
from wf_dagster.online.quality import Finding
from wf_dagster.online.sessions import session_calendar

_DAY = "%Y-%m-%d"


@dataclass(frozen=True)
class ExpectedSessions:
    """What is due by now.

    Attributes:
        session: The last session that should be there.
        sessions: The sessions up to it; as far back as they are known.
    """

    session: pd.Timestamp
    sessions: pd.DatetimeIndex


def due_at(now: pd.Timestamp, closes: pd.Series, grace: timedelta) -> ExpectedSessions:
    """What is due at a moment.

    Args:
        now: With time zone.
        closes: When each session closes (UTC), by session.
        grace: Time that prices, predictions and signals may take after the close.

    Raises:
        CalendarError: No session has closed yet.
    """
    closed = pd.DatetimeIndex(closes.index[(closes + grace <= now).to_numpy()])
    if not len(closed):
        raise CalendarError(f"no session has closed by {now}: the calendar starts later")
    return ExpectedSessions(closed[-1], closed)


def due_now(market: Market, grace: timedelta, now: pd.Timestamp | None = None) -> ExpectedSessions:
    """What is due by the clock; where time stands still, the last session with prices.

    Of sessions that are bars within days, the days are due.

    Args:
        market: Whose sessions they are. One that is no exchange's closes at the end of its day
            (UTC).
        grace: As in :func:`due_at`.
        now: With time zone; default the present.

    Raises:
        CalendarError: The exchange is not known.
    """
    calendar = session_calendar(market)
    if market.stands_still:
        days = calendar.days[calendar.days <= calendar.last_session]
        return ExpectedSessions(days[-1], days)
    now = pd.Timestamp.now("UTC") if now is None else now
    if (exchange := market.exchange) is not None:
        return due_at(now, exchange_closes(exchange, now.tz_convert("UTC").year), grace)
    ends = pd.Series(calendar.days.tz_localize("UTC") + pd.Timedelta(days=1), calendar.days)
    return due_at(now, ends, grace)


def fresh(
    newest: pd.Timestamp, due: ExpectedSessions, max_missed: int = 1, what: str = "it"
) -> Finding:
    """Something reaches as far as it should.

    Args:
        newest: The last day it has.
        due: What should be there.
        max_missed: Sessions it may lack.
        what: Names it in the sentence.
    """
    missed = int((due.sessions > newest).sum())
    numbers: dict[str, float | int | str] = {
        "newest": f"{newest:{_DAY}}",
        "due": f"{due.session:{_DAY}}",
        "missed_sessions": missed,
        "max_missed": max_missed,
    }
    sentence = f"{what} reach {newest:{_DAY}}, {missed} sessions behind {due.session:{_DAY}}"
    if missed <= max_missed:
        return Finding(True, sentence, numbers)
    return Finding(
        False,
        f"{sentence}; {max_missed} may be missing: do the prices go on, and is the schedule "
        "running?",
        numbers,
    )
