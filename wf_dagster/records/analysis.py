"""How well scores forecast labels: pure functions of two series, without a loop over days."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.calendars import FIVE_DAY_WEEKS, TradingCalendar
from wf_dagster.errors import RecordError
from wf_dagster.log_once import warn_once
from wf_dagster.market import Market
from wf_dagster.moments import format_moment
from wf_dagster.records.day_blocks import (
    DAYS,
    average_blocks,
    correlate_blocks,
    find_day_blocks,
    flat_blocks,
    rank_blocks,
    sort_by_day,
)
from wf_dagster.records.rounding import varies

_log = logging.getLogger(__name__)
SESSIONS_A_YEAR = FIVE_DAY_WEEKS


def ic_series(pred: pd.Series, label: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Information coefficient and rank information coefficient of each day.

    The correlation over instruments of score and label: Pearson's, and Spearman's (Pearson's of
    the ranks, ties sharing their mean rank). Rows where either is NaN are left out. A day with
    fewer than two rows left, or on which either does not vary by more than rounding, is NaN.

    Args:
        pred: Scores, rows ``(datetime, instrument)``.
        label: Labels, the same kind of rows.

    Returns:
        Two float64 series over the days (``DatetimeIndex`` named ``datetime``), named ``IC`` and
        ``Rank IC``, without unit.

    Raises:
        RecordError: A row is there twice, or the rows are not of that kind.
    """
    score, truth, days, index = sort_by_day(pred, label)
    paired = ~(np.isnan(score) | np.isnan(truth))
    score, truth, days = score[paired], truth[paired], days[paired]
    starts, counts = find_day_blocks(days)
    ic, ric = (np.full(len(index), np.nan) for _ in range(2))
    if len(days):
        measured = days[starts]
        ic[measured] = correlate_blocks(score, truth, starts, counts)
        ric[measured] = correlate_blocks(
            rank_blocks(score, days, starts, counts),
            rank_blocks(truth, days, starts, counts),
            starts,
            counts,
        )
        # ranks of values that differ by rounding would be those of noise
        ric[measured[flat_blocks(score, starts) | flat_blocks(truth, starts)]] = np.nan
    return pd.Series(ic, index, name="IC"), pd.Series(ric, index, name="Rank IC")


def long_short(pred: pd.Series, label: pd.Series, quantile: float = 0.2) -> pd.DataFrame:
    """Mean label of the best and of the worst scores of each day.

    Each side has ``int(n * quantile)`` of the day's ``n`` rows with a score, chosen by score
    alone: whether a label will be known is not known then. Means are those of the labels that
    are; a side without any is NaN. Ties are cut in the order of the rows; a day whose scores are
    all equal has no sides, as they would be those of the names' order. Elsewhere, where every row
    has a score, this is Qlib's.

    Args:
        pred: Scores, rows ``(datetime, instrument)``.
        label: Returns, as fractions, the same kind of rows.
        quantile: Share of the instruments on each side, in (0, 0.5].

    Returns:
        A row a day (``datetime``); float64 columns ``long``, ``short`` and ``average`` (of all
        rows with a score), as fractions.

    Raises:
        RecordError: ``quantile`` is out of range, or as in :func:`ic_series`.
    """
    check_quantile(quantile)
    score, truth, days, index = sort_by_day(pred, label)
    scored = ~np.isnan(score)
    score, truth, days = score[scored], truth[scored], days[scored]
    returns = pd.DataFrame(np.nan, index, ["long", "short", "average"])
    if not len(days):
        return returns
    starts, counts = find_day_blocks(days)
    place = np.arange(len(days)) - np.repeat(starts, counts)
    chosen = place < np.repeat((counts * quantile).astype("int64"), counts)
    sides = [
        average_blocks(truth[np.lexsort((key, days))], chosen, starts) for key in (-score, score)
    ]
    sides = [np.where(flat_blocks(score, starts), np.nan, side) for side in sides]
    average = average_blocks(truth, np.ones_like(chosen), starts)
    returns.iloc[days[starts]] = np.column_stack([*sides, average])
    return returns


def signal_summary(
    pred: pd.DataFrame | pd.Series,
    label: pd.DataFrame | pd.Series,
    horizon: int | None = 1,
    *,
    ann_scaler: int = SESSIONS_A_YEAR,
    quantile: float = 0.2,
) -> dict[str, Any]:
    """The figures of a signal, for a table.

    Args:
        pred: Scores, rows ``(datetime, instrument)``; of a frame the first column.
        label: Returns over ``horizon`` sessions, as fractions; of a frame the first column.
        horizon: Sessions that a label spans; ``None`` where it is not known.
        ann_scaler: Sessions a year.
        quantile: Share of the instruments on each side of the spread.

    Returns:
        ``rows`` (int), ``first`` and ``last`` (ISO dates), ``IC``, ``ICIR``, ``Rank IC``,
        ``Rank ICIR``, ``Top-Bottom Ann Return`` (fraction a year of long minus short),
        ``Long-Short Ann Return`` (half of it: one unit of capital on both sides together, as in
        Qlib) and ``Long-Short Ann Sharpe`` (the same for both). NaN where no label is known; annual
        figures also where ``horizon`` is not.

    Raises:
        RecordError: As in :func:`ic_series`, or ``horizon`` is less than 1.
    """
    scores, labels = first_column(pred), first_column(label)
    days = scores.index.get_level_values(DAYS)
    ic, ric = ic_series(scores, labels)
    spread = long_short(scores, labels, quantile)
    half = (spread["long"] - spread["short"]) / 2
    annual_return, sharpe = (
        (np.nan, np.nan) if horizon is None else annualise(half, horizon, ann_scaler)
    )
    return {
        "rows": len(scores),
        "first": format_moment(days.min()) if len(days) else "",
        "last": format_moment(days.max()) if len(days) else "",
        **ic_metrics(ic, ric),
        "Top-Bottom Ann Return": 2 * annual_return,
        "Long-Short Ann Return": annual_return,
        "Long-Short Ann Sharpe": sharpe,
    }


def ic_metrics(ic: pd.Series, ric: pd.Series) -> dict[str, float]:
    """Mean, and mean over standard deviation (ddof 1), of both; NaN days are left out.

    Where a coefficient varies by rounding alone, the ratio is NaN.
    """
    metrics = {}
    for name, series in (("IC", ic), ("Rank IC", ric)):
        mean = series.mean()
        metrics[name] = float(mean)
        metrics[f"{name}IR"] = float(mean / series.std()) if varies(series) else float("nan")
    return metrics


def annualise(
    returns: pd.Series, horizon: int = 1, ann_scaler: int = SESSIONS_A_YEAR
) -> tuple[float, float]:
    """Annual return and Sharpe ratio of daily observations of ``horizon``-session returns.

    Return: ``mean / h * N``. Holding each day's pick for ``h`` sessions is holding ``h``
    staggered tranches of ``1/h`` of the capital (the overlapping portfolios of Jegadeesh and
    Titman, 1993), which earns ``mean / h`` a session; ``mean * N`` would count each session
    ``h`` times.

    Sharpe: ``mean / std * sqrt(N / h)``. There are ``N / h`` periods of ``h`` sessions a year,
    and the ratio grows with the square root of their number when sessions are independent
    (Lo, 2002, "The Statistics of Sharpe Ratios"). That days overlap leaves mean and standard
    deviation consistent; it makes them less certain than their count suggests.

    With ``h = 1`` both are Qlib's.

    Args:
        returns: Fractions, one a day; NaN is left out.
        horizon: Sessions that each return spans, ``h``.
        ann_scaler: Sessions a year, ``N``.

    Returns:
        Annual return (fraction) and Sharpe ratio; NaN where they are not defined, or where the
        returns vary by rounding alone.

    Raises:
        RecordError: ``horizon`` is less than 1.
    """
    check_whole("label horizon", horizon, "a number of sessions")
    mean = returns.mean()
    ratio = mean / returns.std() if varies(returns) else np.nan
    sharpe = ratio * np.sqrt(ann_scaler / horizon)
    return float(mean / horizon * ann_scaler), float(sharpe)


def sessions_a_year(
    ann_scaler: int | None, market: Market | None, stamps: pd.DatetimeIndex | None = None
) -> int:
    """The sessions of a year that annual figures count with.

    Args:
        ann_scaler: What the user says counts first.
        market: Else those of its calendar (see
            :attr:`~wf_dagster.calendars.TradingCalendar.sessions_per_year`); without one 252.
        stamps: Those of the observations, sorted. If they are bars within days, and the sessions
            of the market are not, they are counted themselves.
    """
    if ann_scaler is not None:
        return ann_scaler
    is_timed = market is not None and market.calendar.has_bars
    if stamps is not None and not is_timed and not stamps.normalize().is_unique:
        measured = TradingCalendar(stamps.unique()).sessions_per_year
        warn_once(
            _log,
            "predictions are bars within days and their market's sessions are not known to be: "
            f"annual figures count the {measured} bars a year that the predictions have; give a "
            "market with calendar='prices', or ann_scaler",
        )
        return measured
    return SESSIONS_A_YEAR if market is None else market.calendar.sessions_per_year


def check_ann_scaler(ann_scaler: Any) -> None:
    """Refuse what is no number of sessions; ``None`` leaves it to the market.

    Raises:
        RecordError: It is another thing, or less than 1.
    """
    if ann_scaler is not None:
        check_whole("ann_scaler", ann_scaler, "the sessions of a year")


def check_quantile(quantile: Any) -> None:
    """Refuse what is no share of the instruments on one side.

    Raises:
        RecordError: It is out of range.
    """
    if not isinstance(quantile, (int, float)) or not 0 < quantile <= 0.5:
        raise RecordError(f"quantile={quantile!r}: use a share above 0 and at most 0.5")


def check_whole(name: str, value: Any, what: str, least: int = 1) -> None:
    """Refuse what is no whole number.

    Args:
        name: Of the argument, for the message.
        value: The argument.
        what: What it should be, for the message.
        least: The smallest that is taken.

    Raises:
        RecordError: It is another thing, or too small.
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise RecordError(f"{name}={value!r}: use {what}, at least {least}")


def first_column(frame: pd.DataFrame | pd.Series, position: int = 0) -> pd.Series:
    """A column of a frame by position; a series as it is."""
    return frame if isinstance(frame, pd.Series) else frame.iloc[:, position]
