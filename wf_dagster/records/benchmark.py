"""What a portfolio is compared with: a series of returns that was given, or instruments.

A return that is missing is never counted as 0: from prices it is what lies between the two that are
there; from returns it cannot be known.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import RecordError
from wf_dagster.moments import format_moment

_log = logging.getLogger(__name__)

_USUAL_MOVE = 0.2  # half of a benchmark's moves are never larger: monthly ones of bitcoin have 0.13
_FEW = 5


def returns_of_series(series: Any, sessions: pd.DatetimeIndex) -> pd.Series:
    """The returns of a series that was given, on the sessions of a portfolio.

    A return of a day that is no session counts on the next session, compounded.

    Args:
        series: Daily returns, as fractions; a series, or a frame of one column. Days are dates, ISO
            texts or periods; of those with a time zone the date there counts.
        sessions: The sessions of the portfolio, which buys at the close of the second.

    Returns:
        float64, a value a session from the third on.

    Raises:
        RecordError: The values are no returns as fractions, the days no dates, or returns of some
            sessions are missing.
    """
    returns = _read_returns(series, sessions)
    _check_unit(returns)
    bought, wanted = sessions[1], sessions[2:]
    inside = returns[(returns.index > bought) & (returns.index <= sessions[-1])]
    if not len(inside) and bought not in returns.index:
        raise RecordError(
            f"the benchmark has no return from {format_moment(bought)} to "
            f"{format_moment(sessions[-1])}: give a series of daily returns indexed by session"
        )
    days = pd.DatetimeIndex(inside.index)
    strange = days[~days.isin(sessions)]
    missing = wanted[~wanted.isin(days)]
    if len(missing):
        raise RecordError(_explain_missing(sessions, missing, strange, len(days)))
    if len(strange):
        _log.warning(
            "the benchmark has returns of %d days that are no sessions, the first %s: each counts "
            "on the next session",
            len(strange),
            format_moment(strange[0]),
        )
    places = sessions[sessions.searchsorted(days)]
    return (1 + inside).groupby(places).prod() - 1


def returns_of_instruments(
    closes: pd.DataFrame, names: Sequence[str], sessions: pd.DatetimeIndex
) -> pd.Series:
    """The mean return of some instruments on the sessions of a portfolio.

    The return over sessions without a price lies on the next one with a price; the others of them
    are 0. Before the first price and after the last there is none: what is not known is named in
    the log.

    Args:
        closes: A row a session, a column an instrument; adjusted prices.
        names: Columns of ``closes``.
        sessions: As for :func:`returns_of_series`.

    Returns:
        float64, a value a session from the second on, where it is 0; NaN where it is not known.

    Raises:
        RecordError: Not one return is known.
    """
    prices = closes.loc[sessions[0] : sessions[-1], list(names)].astype("float64")
    prices = prices.where(prices > 0)
    filled = prices.ffill()
    has_ended = prices.bfill().isna()
    moves = (filled / filled.shift() - 1).mask(has_ended)
    bought = moves.index == sessions[1]
    moves = moves.mask(filled.notna() & bought[:, None], 0.0)
    returns = moves.mean(axis=1).reindex(sessions[1:])
    if len(sessions) > 2 and returns.iloc[1:].isna().all():
        raise RecordError(
            f"the benchmark {', '.join(map(str, names))} has no return from "
            f"{format_moment(sessions[1])} to {format_moment(sessions[-1])}: "
            "it has no two prices then"
        )
    for name in names:
        _name_what_is_missing(prices[name].reindex(sessions), name)
    return returns


def _read_returns(series: Any, sessions: pd.DatetimeIndex) -> pd.Series:
    if isinstance(series, pd.DataFrame) and series.shape[1] == 1:
        series = series.iloc[:, 0]
    if not isinstance(series, pd.Series):
        raise RecordError(
            f"the benchmark is a {type(series).__name__}: use the name of an instrument, a list of "
            "them, or a series of daily returns"
        )
    try:
        values = pd.to_numeric(series).to_numpy(dtype="float64", na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise RecordError(f"the benchmark holds values that are no numbers ({error})") from error
    returns = pd.Series(values, _read_days(series.index, sessions)).dropna().sort_index()
    if not returns.index.is_unique:
        twice = returns.index[returns.index.duplicated()][0]
        raise RecordError(
            f"the benchmark has {format_moment(twice)} twice: keep one return a session"
        )
    if np.isinf(returns.to_numpy()).any():
        raise RecordError("the benchmark has infinite returns: is a price of 0 among its levels?")
    return returns


def _read_days(index: pd.Index, sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    days: Any = index
    if isinstance(index, pd.PeriodIndex):
        days = index.to_timestamp()
    elif not isinstance(index, pd.DatetimeIndex):
        if isinstance(index, pd.MultiIndex) or index.inferred_type not in ("string", "date"):
            raise RecordError(
                f"the benchmark is indexed by {index.inferred_type} values such as {index[:1]!r}: "
                "index it by session, with pandas.to_datetime"
            )
        try:
            days = pd.DatetimeIndex(pd.to_datetime(index, format="ISO8601"))
        except (TypeError, ValueError) as error:
            raise RecordError(
                f"the benchmark's days are no ISO dates such as '2020-01-31' ({error}): convert "
                "them with pandas.to_datetime"
            ) from error
    days = days.tz_localize(None) if days.tz is not None else days
    if days.isna().any():
        raise RecordError(f"{int(days.isna().sum())} days of the benchmark are no dates (NaT)")
    # sessions with a time of day are bars, whose benchmark has bars too
    result: pd.DatetimeIndex = days.normalize() if sessions.equals(sessions.normalize()) else days
    return result


def _check_unit(returns: pd.Series) -> None:
    """Refuse levels and percent, which can be told by their size.

    One day above 1 is named alone: a coin can double in a day. Below -1 nothing can lose.
    """
    if not len(returns):
        return
    sizes = returns.abs()
    is_large = len(returns) >= _FEW and sizes.median() > _USUAL_MOVE
    if returns.min() > 1 or (returns.min() > 0 and is_large):
        raise RecordError(
            f"the benchmark's values run from {returns.min():g} to {returns.max():g}, none is "
            "negative: these are levels, not returns; give series.pct_change() of prices, "
            "series - 1 of growth factors"
        )
    day = sizes.idxmax()
    text = (
        f"the benchmark's return of {format_moment(day)} is {returns[day]:g}, as a fraction that "
        f"is {returns[day]:+.0%}"
    )
    above = int((sizes > 1).sum())
    if is_large or above > 1 or returns.min() < -1:
        raise RecordError(f"{text}: these are percent, not fractions; give series / 100")
    if above:
        _log.warning("%s: it counts as such; of percent give series / 100", text)


def _explain_missing(
    sessions: pd.DatetimeIndex, missing: pd.DatetimeIndex, strange: pd.DatetimeIndex, count: int
) -> str:
    covered = sessions[2:].difference(missing)
    text = (
        f"the benchmark has no return on {len(missing)} of {len(sessions) - 2} sessions, "
        f"the first {format_moment(missing[0])}, the last {format_moment(missing[-1])}, "
        "and what it earned then cannot be known from returns"
    )
    if len(strange) > count / 10:
        text += (
            f"; {len(strange)} of its days are no sessions, the first {strange[0]:%A %Y-%m-%d}: "
            "are they the days of another time zone?"
        )
    remedies = []
    if len(covered):
        first, last = sessions.get_indexer(covered[[0, -1]])
        if not ((missing > covered[0]) & (missing < covered[-1])).any():
            if first > 2:
                remedies.append(f"start_time='{format_moment(sessions[first - 2])}'")
            if last < len(sessions) - 1:
                remedies.append(f"end_time='{format_moment(sessions[last - 1])}'")
    if remedies:
        return f"{text}: compare the sessions that it has, with {' and '.join(remedies)}"
    return (
        f"{text}: give returns between the sessions of the portfolio, levels.reindex(sessions)."
        "ffill().pct_change(), or name an instrument of the prices"
    )


def _name_what_is_missing(prices: pd.Series, name: str) -> None:
    priced = prices.index[prices.notna()]
    if not len(priced):
        _log.warning("benchmark %s has no price on %d sessions: left out", name, len(prices))
        return
    first, last = priced[0], priced[-1]
    before, after = prices.index < first, prices.index > last
    within = prices.index[prices.isna() & ~before & ~after]
    if len(within):
        _log.warning(
            "benchmark %s has no price on %d of %d sessions, the first %s: its return over them "
            "counts on the next session with a price",
            name,
            len(within),
            len(prices),
            format_moment(within[0]),
        )
    # the portfolio buys at the second session: a price of the first is needed by none
    if before[1:].any():
        _log.warning(
            "benchmark %s starts on %s, %d sessions after the portfolio: before, it counts as not "
            "known",
            name,
            format_moment(first),
            int(before[1:].sum()),
        )
    if after.any():
        _log.warning(
            "benchmark %s ends on %s, %d of %d sessions before the portfolio: after, it counts as "
            "not known",
            name,
            format_moment(last),
            int(after.sum()),
            len(prices),
        )
