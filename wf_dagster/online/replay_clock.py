"""The clock of a replay: a file with a date, after which prices are hidden."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.calendars import calendar_name, to_day
from wf_dagster.errors import DataError, OnlineError
from wf_dagster.market import Market, price_source
from wf_dagster.prices import FrameSource
from wf_dagster.settings import get_settings

_DAY = "%Y-%m-%d"


class ReplayClock:
    """The replay clock of the settings; see :attr:`Settings.replay_clock`."""

    @property
    def file(self) -> Path:
        """Where it is, or would be."""
        return get_settings().clock_file()

    def shown(self) -> pd.Timestamp | None:
        """The date that it shows; ``None`` when there is no clock.

        Raises:
            SettingsError: It shows no date.
        """
        if not self.file.exists():
            return None
        return pd.Timestamp(get_settings().model_copy(update={"as_of": ""}).replay_date())

    def move(self, session: pd.Timestamp) -> None:
        """Let it show a session; it is made when it is missing."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        new.write_text(f"{session:{_DAY}}\n")
        new.replace(self.file)  # a reader sees the old date or the new one, never half of it

    def stop(self) -> bool:
        """Remove it, so that all prices are seen again; whether there was one."""
        there = self.file.exists()
        self.file.unlink(missing_ok=True)
        return there

    def sessions(self, first: Any = None, count: int | None = None) -> pd.DatetimeIndex:
        """The sessions with prices that are to be replayed.

        Args:
            first: The first day; default the day after the one that is shown.
            count: How many; default all there are.

        Raises:
            OnlineError: Neither a first day nor a clock, or there are no prices then.
            CalendarError: ``first`` is no date.
        """
        days = all_sessions()
        shown = self.shown()
        if first is None and shown is None:
            raise OnlineError(
                f"there is no replay clock ({self.file}): give the first session with --from, a "
                f"date from {days[0]:{_DAY}} to {days[-1]:{_DAY}}"
            )
        if first is not None and not days[0] <= to_day(first) <= days[-1]:
            raise OnlineError(
                f"--from {to_day(first):{_DAY}} is outside the prices, which run from "
                f"{days[0]:{_DAY}} to {days[-1]:{_DAY}}"
            )
        begin = to_day(first) if first is not None else to_day(shown) + pd.Timedelta(days=1)
        chosen = days[days >= begin]
        if chosen.empty:
            raise OnlineError(
                f"the replay clock shows {shown:{_DAY}}, and there are no later prices: it is over "
                "(`wf-dagster replay --stop` removes the clock)"
            )
        return chosen[:count]


def all_sessions() -> pd.DatetimeIndex:
    """The sessions with prices, those that the clock hides too.

    Raises:
        DataError: The price source of the settings cannot be replayed.
    """
    as_of = get_settings().as_of or None
    if calendar_name() == "qlib":
        days = Market().sessions_to_replay()
        return days if as_of is None else days[days <= to_day(as_of)]
    source = price_source(None)
    if not isinstance(source, FrameSource):
        raise DataError(f"{source!r} cannot be replayed: it has not all its prices in one frame")
    return source.at(as_of).sessions()
