"""The clock of a replay: a file with a date, after which prices are hidden."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.calendars import to_day
from wf_dagster.errors import OnlineError
from wf_dagster.market import Market
from wf_dagster.settings import read_clock

_DAY = "%Y-%m-%d"


class ReplayClock:
    """A replay clock, as :attr:`Settings.replay_clock` names one.

    Args:
        file: Where it is, or would be.
        *markets: Whose sessions are replayed: each day on which one of them has one; default
            that of the settings.
    """

    def __init__(self, file: Path, *markets: Market) -> None:
        self.file = file
        self.markets = tuple(dict.fromkeys(markets)) or (Market(),)

    def date(self) -> pd.Timestamp | None:
        """The date that it shows; ``None`` when there is no clock.

        Raises:
            SettingsError: It shows no date.
        """
        return pd.Timestamp(read_clock(self.file)) if self.file.exists() else None

    def move(self, session: pd.Timestamp) -> None:
        """Let it show a session; it is made when it is missing."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        new.write_text(f"{session:{_DAY}}\n")
        new.replace(self.file)  # a reader sees the old date or the new one, never half of it

    def stop(self) -> bool:
        """Remove it, so that all prices are seen again; whether there was one."""
        was_set = self.file.exists()
        self.file.unlink(missing_ok=True)
        return was_set

    def sessions(self, first: Any = None, count: int | None = None) -> pd.DatetimeIndex:
        """The sessions with prices that are to be replayed.

        Args:
            first: The first day; default the day after the one that is shown.
            count: How many; default all there are.

        Raises:
            OnlineError: Neither a first day nor a clock, or there are no prices then.
            CalendarError: ``first`` is no date.
        """
        days = pd.DatetimeIndex([])
        for market in self.markets:
            days = days.union(market.sessions_to_replay())
        if first is not None:
            begin = to_day(first)
            if not days[0] <= begin <= days[-1]:
                raise OnlineError(
                    f"--from {begin:{_DAY}} is outside the prices, which run from "
                    f"{days[0]:{_DAY}} to {days[-1]:{_DAY}}"
                )
            return days[days >= begin][:count]
        date = self.date()
        if date is None:
            raise OnlineError(
                f"there is no replay clock ({self.file}): give the first session with --from, a "
                f"date from {days[0]:{_DAY}} to {days[-1]:{_DAY}}"
            )
        later = days[days > date]
        if later.empty:
            raise OnlineError(
                f"the replay clock shows {date:{_DAY}}, and there are no later prices: it is over "
                "(`wf-dagster replay --stop` removes the clock)"
            )
        return later[:count]
