"""A top-k / drop-n portfolio simulated day by day: a pure function of scores and prices."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wf_dagster.errors import RecordError
from wf_dagster.moments import format_moment
from wf_dagster.records.analysis import check_whole
from wf_dagster.records.benchmark import returns_of_series
from wf_dagster.records.portfolio_figures import performance as performance
from wf_dagster.records.portfolio_figures import risk_analysis as risk_analysis

_log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


DELIST_AFTER = 20  # sessions, a month of daily ones
_YEAR = 252  # sessions a year that ``DELIST_AFTER`` is of


@dataclass(frozen=True)
class Delisting:
    """A held name that was sold because it had no price any more.

    Attributes:
        session: When it was sold.
        instrument: Its name.
        last_price: The last session that had a price of it.
        weight: What was sold, as a fraction of the account before cost.
        gap: Sessions without a price before it was sold.
    """

    session: pd.Timestamp
    instrument: Any
    last_price: pd.Timestamp
    weight: float
    gap: int


@dataclass(frozen=True)
class Simulation:
    """What a portfolio did.

    Attributes:
        report: A row a session (``datetime``), from the first trade on; float64 columns
            ``account`` (money at the close, after cost) and, as fractions of the account at the
            previous close, ``return`` (before cost), ``turnover`` (buys plus sells), ``cost``
            and ``bench``.
        positions: The same rows, a column an instrument: weights after the close's trades, as
            fractions; what is missing to 1 is cash.
        delistings: The held names that were sold because they had no price any more.
    """

    report: pd.DataFrame
    positions: pd.DataFrame
    delistings: list[Delisting] = field(default_factory=list)


def simulate(
    scores: pd.DataFrame,
    closes: pd.DataFrame,
    *,
    topk: int = 5,
    n_drop: int = 1,
    open_cost: float = 0.0005,
    close_cost: float = 0.0015,
    account: float = 1_000_000.0,
    bench: pd.Series | None = None,
    delist_after: int | None = DELIST_AFTER,
    delisting_return: float = 0.0,
) -> Simulation:
    """Hold the best ``topk`` names, replacing at most ``n_drop`` of them a session.

    The scores of session ``t`` are traded at the close of ``t + 1``; what is bought earns from
    ``t + 2`` on. Nothing later than ``t`` decides the trade's names, nothing later than
    ``t + 1`` its weights. Held names get equal weights at every session with scores; at one
    without, nothing is traded. Which names are dropped follows Qlib's ``TopkDropoutStrategy``:
    those among the ``n_drop`` worst of held and best new names together; a held name without a
    score counts as worst.

    A name without a price is neither bought nor sold, keeps its weight and earns nothing; its
    return over these sessions is earned when it has a price again. After ``delist_after`` sessions
    in a row it counts as delisted: it is sold at its last price times ``1 + delisting_return``.

    Unlike there, the account is fully invested, amounts are not rounded, names are brought back
    to equal weight every session, and no name is dropped that none is there to replace.

    Args:
        scores: Sessions times instruments; NaN where there is no score.
        closes: The same columns; all sessions from the first scores to at least one after
            them. Adjusted prices.
        topk: Number of names held.
        n_drop: Names replaced a session, at most.
        open_cost: Cost of a buy, as a fraction of its amount.
        close_cost: Cost of a sell, as a fraction of its amount.
        account: Money at the start.
        bench: Daily returns of a benchmark, as fractions, one for each session after the first
            trade. Default: the names that had a score when the portfolio traded, in equal weights,
            without cost; one without a price stays in it as it stays in the portfolio.
        delist_after: Sessions in a row without a price after which a name counts as delisted;
            ``None`` is never. Default a month of daily ones; of others see
            :func:`sessions_of_month`.
        delisting_return: What is paid for a delisted name, as a return on its last price: 0 is all
            of it, -1 nothing.

    Raises:
        RecordError: An argument is out of range, the scores have a session without prices, or
            ``bench`` has no return of some sessions (see
            :func:`~wf_dagster.records.benchmark.returns_of_series`).
    """
    check_arguments(topk, n_drop, open_cost, close_cost, account, delist_after, delisting_return)
    sessions, signal, price = _align(scores, closes)
    tradable = ~np.isnan(price)
    filled = pd.DataFrame(price).ffill().to_numpy()
    moves = np.zeros_like(price)
    moves[1:] = np.nan_to_num(filled[1:] / filled[:-1] - 1)
    scored = ~np.isnan(signal)
    lasted = _count_without_price(tradable)
    # names that are delisted at this session; of those with a price, which last 0 sessions, none
    gone = np.zeros_like(tradable) if delist_after is None else lasted == delist_after
    moves[gone] = delisting_return

    count = len(sessions)
    weights = np.zeros_like(price)
    gross, turnover, cost, market = (np.zeros(count) for _ in range(4))
    universe = np.zeros(price.shape[1], dtype=bool)
    held = universe
    is_lost = False  # nothing was paid for all that was held
    delistings = []
    for day in range(1, count):
        before = weights[day - 1]
        gross[day] = before @ moves[day]
        market[day] = moves[day, universe].mean() if universe.any() else 0.0
        universe = universe & ~gone[day]
        if gross[day] <= -1 and not is_lost:
            _log.warning("the account is lost on %s: nothing is traded then", sessions[day].date())
            is_lost = True
        drifted = before * (1 + moves[day]) / (1 if is_lost else 1 + gross[day])
        weights[day] = np.where(gone[day], 0.0, drifted)
        delistings += [
            Delisting(
                sessions[day],
                scores.columns[name],
                sessions[day - int(lasted[day, name])],
                float(drifted[name]),
                int(lasted[day, name]),
            )
            for name in np.flatnonzero(gone[day] & (before > 0)).tolist()
        ]
        held = held & ~gone[day]
        if scored[day - 1].any():
            universe = (scored[day - 1] & tradable[day]) | (universe & ~tradable[day])
            held = choose_holdings(signal[day - 1], held, tradable[day], topk, n_drop)
            if not is_lost:
                weights[day] = _equal_weights(weights[day], held, tradable[day])
        trade = weights[day] - drifted
        bought, sold = trade[trade > 0].sum(), -trade[trade < 0].sum()
        turnover[day] = (bought + sold) * (1 + gross[day])
        cost[day] = (bought * open_cost + sold * close_cost) * (1 + gross[day])

    if bench is not None and count > 1:
        of_bench = returns_of_series(bench, sessions)  # bought at the second close
        market = of_bench.reindex(sessions, fill_value=0.0).to_numpy()
    report = pd.DataFrame(
        {
            "account": account * np.cumprod(1 + gross - cost),
            "return": gross,
            "turnover": turnover,
            "cost": cost,
            "bench": market,
        },
        index=sessions,
    )
    positions = pd.DataFrame(weights, sessions, scores.columns)
    return Simulation(report.iloc[1:], positions.iloc[1:], delistings)


def sessions_of_month(year: int) -> int:
    """The sessions without a price after which a name counts as delisted, where nobody says.

    Args:
        year: Sessions a year.

    Example:
        >>> [sessions_of_month(year) for year in (252, 252 * 13, 365, 52)]
        [20, 260, 29, 4]
    """
    return max(1, round(year * DELIST_AFTER / _YEAR))


def choose_holdings(scores: Floats, held: Mask, tradable: Mask, topk: int, n_drop: int) -> Mask:
    """The names held after a trade.

    Args:
        scores: A value an instrument; NaN where there is none.
        held: The names held before.
        tradable: The names that can be bought and sold.
        topk: Number of names held.
        n_drop: Names replaced, at most.
    """
    order = np.argsort(np.where(np.isnan(scores), np.inf, -scores), kind="stable")
    free = topk - int(held.sum())
    fresh = order[(~held & tradable & ~np.isnan(scores))[order]][: max(0, n_drop + free)]
    both = held.copy()
    both[fresh] = True
    ranked = order[both[order]]
    worst = ranked[len(ranked) - min(n_drop, max(0, len(ranked) - topk)) :]
    sold = worst[(held & tradable)[worst]]
    after: Mask = held.copy()
    after[sold] = False
    after[fresh[: max(0, len(sold) + free)]] = True
    return after


def check_arguments(
    topk: Any,
    n_drop: Any,
    open_cost: Any,
    close_cost: Any,
    account: Any,
    delist_after: Any = None,
    delisting_return: Any = 0.0,
) -> None:
    """Refuse numbers that make no portfolio.

    Raises:
        RecordError: One is out of range.
    """
    check_whole("topk", topk, "the number of names to hold")
    check_whole("n_drop", n_drop, "the number of names to replace", 0)
    if n_drop > topk:
        raise RecordError(f"n_drop={n_drop!r}: use a number of names from 0 to topk={topk}")
    for name, value in (("open_cost", open_cost), ("close_cost", close_cost)):
        # YAML reads 5e-4 as a text
        if not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise RecordError(f"{name}={value!r}: use a fraction from 0 to 1, e.g. 0.0005")
    if not isinstance(account, (int, float)) or not 0 < account < float("inf"):
        raise RecordError(f"account={account!r}: use an amount of money above 0")
    if delist_after is not None:
        check_whole("delist_after", delist_after, "a number of sessions (None is never)")
    if not isinstance(delisting_return, (int, float)) or not -1 <= delisting_return < 1:
        raise RecordError(
            f"delisting_return={delisting_return!r}: use a return on the last price from -1 "
            "(nothing is paid) to below 1, e.g. -0.3"
        )


def _align(scores: pd.DataFrame, closes: pd.DataFrame) -> tuple[pd.DatetimeIndex, Floats, Floats]:
    """Sessions from the first scores to one after the last, with both as arrays."""
    for name, frame in (("scores", scores), ("prices", closes)):
        if not (frame.index.is_monotonic_increasing and frame.index.is_unique):
            raise RecordError(f"the {name} have sessions twice or out of order: sort them")
    if scores.empty:
        raise RecordError("there are no scores: a portfolio needs those of one session at least")
    priceless = scores.index.difference(closes.index)
    if len(priceless):
        raise RecordError(
            f"{len(priceless)} sessions have predictions but no prices, the first "
            f"{format_moment(priceless[0])}: give PortAnaRecord the prices that the predictions "
            "were made from"
        )
    first, last = closes.index.get_indexer(scores.index[[0, -1]])
    window = closes.iloc[first : last + 2].reindex(columns=scores.columns)
    price = window.to_numpy(dtype="float64", copy=True)
    price[~(price > 0)] = np.nan
    sessions = pd.DatetimeIndex(window.index, name="datetime")
    return sessions, scores.reindex(sessions).to_numpy(dtype="float64"), price


def _count_without_price(tradable: Mask) -> npt.NDArray[np.int64]:
    """Sessions in a row without a price, up to each; 0 before the first price."""
    rows = np.arange(len(tradable))[:, None]
    last = np.maximum.accumulate(np.where(tradable, rows, -1), axis=0)
    return np.where(last < 0, 0, rows - last)


def _equal_weights(drifted: Floats, held: Mask, tradable: Mask) -> Floats:
    """Equal weights for what can be traded; what cannot keeps its weight."""
    weights = np.where(tradable, 0.0, drifted)
    moving = held & tradable
    if moving.any():
        weights[moving] = max(0.0, 1 - weights.sum()) / moving.sum()
    return weights
