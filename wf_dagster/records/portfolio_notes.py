"""What has to be said of a simulated portfolio: where its figures mean less than they seem.

Each function gives sentences without full stop, none where there is nothing to say.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError
from wf_dagster.moments import format_moment
from wf_dagster.records.portfolio import Delisting
from wf_dagster.records.rounding import ROUNDING, is_nothing, varies

_NAMED = 5
_ENOUGH = 10  # sessions whose pace can be measured
_OTHER_PACE = 1.5  # 365 and 252 sessions a year stand at 1.45


def find_flat_sessions(scores: pd.DataFrame) -> pd.Index:
    """The sessions on which several names have a score, and all the same.

    Args:
        scores: Sessions times instruments; NaN where there is no score.
    """
    high, low = scores.max(axis=1), scores.min(axis=1)
    spread = np.where(high == low, 0.0, high - low)
    is_flat = spread <= ROUNDING * np.maximum(high.abs(), low.abs())
    flat: pd.Index = scores.index[is_flat & (scores.notna().sum(axis=1) > 1)]
    return flat


def note_flat_sessions(scores: pd.DataFrame, flat: pd.Index) -> list[str]:
    """Scores that do not tell names apart, so that the order of the columns chooses.

    Args:
        scores: Sessions times instruments.
        flat: What :func:`find_flat_sessions` gives of them.
    """
    if not len(flat):
        return []
    where = "each session" if len(flat) == len(scores) else f"{len(flat)} of {len(scores)} sessions"
    text = (
        f"all instruments have one score on {where}, first on {format_moment(flat[0])}: "
        "the order of their names chooses what is held"
    )
    return [f"{text}; no figures" if len(flat) == len(scores) else text]


def note_delistings(delistings: list[Delisting]) -> list[str]:
    """Held names that were sold because they had no price any more."""
    if not delistings:
        return []
    names = ", ".join(
        f"{gone.instrument} on {format_moment(gone.session)} "
        f"(last price {format_moment(gone.last_price)}, weight {gone.weight:.1%})"
        for gone in delistings[:_NAMED]
    )
    more = "" if len(delistings) <= _NAMED else f" and {len(delistings) - _NAMED} more"
    gap = delistings[0].gap
    return [f"sold as delisted, after {gap} sessions without a price: {names}{more}"]


def note_returns(report: pd.DataFrame) -> list[str]:
    """Returns that are the benchmark's, do not vary, or have no benchmark on some sessions.

    Args:
        report: That of a :class:`~wf_dagster.records.Simulation`, one session or more.
    """
    notes = []
    unknown = int(report["bench"].isna().sum())
    if unknown:
        notes.append(
            f"the benchmark is not known on {unknown} of {len(report)} sessions: excess figures "
            f"are of the other {len(report) - unknown}"
        )
    net = report["return"] - report["cost"]
    if len(report) > 1:
        if is_nothing(report["return"] - report["bench"]):
            notes.append(
                "the portfolio earns what its benchmark earns (does it hold the whole universe?): "
                "excess returns before cost are 0, no information ratio"
            )
        if not varies(net):
            notes.append("returns do not vary: no Sharpe ratio")
    return notes


def note_pace(sessions: pd.DatetimeIndex, year: int) -> list[str]:
    """Sessions that follow one another at another pace than annual figures count.

    Args:
        sessions: Those of the report.
        year: Sessions a year that annual figures count.
    """
    if len(sessions) < _ENOUGH:
        return []
    try:
        measured = TradingCalendar(sessions).sessions_per_year
    except CalendarError:  # sessions that no calendar takes
        return []
    if max(measured / year, year / measured) <= _OTHER_PACE:
        return []
    return [
        f"its sessions follow one another as those of a market with {measured} a year, and annual "
        f"figures count {year}: say which holds, with ann_scaler={measured} or the calendar of "
        "the market"
    ]
