"""The same prices for both sides: random walks as Parquet and in Qlib's format."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.qlib.provider import seeded_panel, write_provider

START = "2019-01-02"
AHEAD = 60  # sessions that the calendar knows beyond the prices


def write_market(folder: Path, instruments: int, sessions: int) -> Path:
    """Write ``prices.parquet`` and the folder ``provider``."""
    prices = seeded_panel(instruments, sessions)
    folder.mkdir(parents=True, exist_ok=True)
    prices.reset_index().to_parquet(folder / "prices.parquet")
    write_provider(folder / "provider", prices, future=AHEAD)
    return folder


def end_calendar(provider: str, sessions: int) -> None:
    """Let Qlib's calendar end after so many sessions, as if the others were yet to come."""
    lines = "".join(f"{day(position)}\n" for position in range(sessions))
    Path(provider, "calendars", "day.txt").write_text(lines)


def day(position: int) -> str:
    """A session as an ISO date."""
    return f"{_SESSIONS[position]:%Y-%m-%d}"


_SESSIONS = pd.bdate_range(START, periods=5000)
