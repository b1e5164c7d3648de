"""The strategies of an online manager: their sessions, and what may be done with them when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pandas as pd

from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import OnlineError
from wf_dagster.online.online_strategy import OnlineStrategy
from wf_dagster.online.routine_report import RoutineReport
from wf_dagster.online.sessions import common_calendar, daily_calendar, sessions_with_prices

_DAY = "%Y-%m-%d"
History = dict[pd.Timestamp, dict[OnlineStrategy, list[Any]]]


class StrategyGroup:
    """Strategies with different names, on one exchange or several.

    Args:
        strategies: The strategies; the list may grow.
        history: What served at each session; of a strategy without a ledger it says which session
            was the last.

    Raises:
        OnlineError: There is no strategy, or two have one name.
    """

    def __init__(self, strategies: list[OnlineStrategy], history: History) -> None:
        if not strategies:
            raise OnlineError("an OnlineManager needs a strategy")
        self.strategies = strategies
        self._history = history
        self.check_new(())

    def check_new(self, strategies: Sequence[OnlineStrategy]) -> None:
        """Refuse further strategies that would share an experiment.

        Raises:
            OnlineError: Two have one name.
        """
        names = [strategy.name_id for strategy in (*self.strategies, *strategies)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise OnlineError(
                f"strategy name {twice!r} is used twice: give each strategy a name_id of its own, "
                "it names its experiment"
            )

    @contextmanager
    def exclusive(self, strategies: Sequence[OnlineStrategy]) -> Iterator[None]:
        """Keep other processes from changing what is online of these strategies inside the block.

        Raises:
            OnlineError: Another process is at one of them.
        """
        with ExitStack() as stack:
            for strategy in sorted(strategies, key=lambda strategy: strategy.name_id):
                if (ledger := strategy.ledger()) is not None and not ledger.busy:
                    stack.enter_context(ledger.exclusive())
            yield

    def calendar(self) -> TradingCalendar:
        """The calendar on which a session of each strategy is one."""
        return common_calendar(strategy.market for strategy in self.strategies)

    def sessions(self) -> dict[OnlineStrategy, pd.DatetimeIndex]:
        """The sessions with prices of each strategy."""
        return {
            strategy: sessions_with_prices(daily_calendar(strategy.market))
            for strategy in self.strategies
        }

    def missed(
        self, now: pd.Timestamp, sessions: Mapping[OnlineStrategy, pd.DatetimeIndex]
    ) -> list[pd.Timestamp]:
        """The sessions after the last that each strategy has worked through, up to this one.

        Args:
            now: The session; it is there in any case.
            sessions: What :meth:`sessions` gave.

        Raises:
            OnlineError: A strategy has worked through a later one.
        """
        missed: set[pd.Timestamp] = set()
        for strategy, own in sessions.items():
            self.check_past(strategy, now)
            if (worked := self.worked(strategy)) is not None:
                missed.update(own[(own > worked) & (own <= now)])
        return sorted(missed) or [now]

    def at_work(
        self, day: pd.Timestamp, sessions: Mapping[OnlineStrategy, pd.DatetimeIndex]
    ) -> list[OnlineStrategy]:
        """The strategies that work at a session: none that is ahead, or whose exchange rests."""
        return [
            strategy
            for strategy, own in sessions.items()
            if (self.worked(strategy) or day) <= day and day in own
        ]

    def open_report(
        self,
        now: pd.Timestamp,
        sessions: Mapping[OnlineStrategy, pd.DatetimeIndex],
        *,
        complete: bool,
    ) -> RoutineReport:
        """The report of a routine, with the sessions that it is to work through.

        Args:
            now: As for :meth:`missed`.
            sessions: As for :meth:`missed`.
            complete: First add what sessions that were worked through lack.

        Raises:
            OnlineError: As for :meth:`missed`.
        """
        report = RoutineReport(self.missed(now, sessions))
        for strategy in self.strategies if complete else ():
            if (worked := self.worked(strategy)) is not None:
                report.add_late(strategy.at(worked).complete_late())
        return report

    def note_prices(self, now: pd.Timestamp) -> None:
        """Keep with each strategy what the prices are, at its last session up to this one."""
        for strategy in self.strategies:
            session = last_session_of(strategy, now)
            strategy.at(session).note_prices(session)

    def worked(self, strategy: OnlineStrategy) -> pd.Timestamp | None:
        """The last session at which a strategy was worked on."""
        if (ledger := strategy.ledger()) is not None:
            session = ledger.read().session
            return None if session is None else pd.Timestamp(session)
        return max((day for day, by in self._history.items() if strategy in by), default=None)

    def has_begun(self) -> bool:
        """Whether one of them has worked through a session."""
        return any(self.worked(strategy) is not None for strategy in self.strategies)

    def recall_history(self) -> None:
        """Fill the history with what the ledgers remember, in the order of sessions."""
        for strategy in self.strategies:
            for session, models in strategy.tool.history().items():
                self._history.setdefault(pd.Timestamp(session), {})[strategy] = models
        in_order = sorted(self._history.items())
        self._history.clear()
        self._history.update(in_order)

    def check_past(self, strategy: OnlineStrategy, session: pd.Timestamp) -> None:
        """Refuse a session before the last one at which a strategy was worked on.

        Raises:
            OnlineError: It is past.
        """
        worked = self.worked(strategy)
        if worked is not None and worked > session:
            raise OnlineError(
                f"{strategy.name_id} has worked through {worked:{_DAY}}, so {session:{_DAY}} is "
                "past: state only moves on; to replay the past use another name_id, or delete the "
                "recorders of the experiment"
            )


def last_session_of(strategy: OnlineStrategy, day: pd.Timestamp) -> pd.Timestamp:
    """The last session of a strategy at or before a day, which another exchange's may be.

    Raises:
        CalendarError: Its calendar begins later.
    """
    calendar = daily_calendar(strategy.market)
    return min(calendar.align(day, "end"), calendar.last_session)


def as_list(strategies: OnlineStrategy | Sequence[OnlineStrategy]) -> list[OnlineStrategy]:
    """One strategy or several, as a list."""
    return [strategies] if isinstance(strategies, OnlineStrategy) else list(strategies)
