"""A top-k / drop-n portfolio simulated day by day: a pure function of scores and prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wf_dagster.errors import RecordError
from wf_dagster.moments import format_moment
from wf_dagster.records.analysis import SESSIONS_A_YEAR, check_whole

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


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
    """

    report: pd.DataFrame
    positions: pd.DataFrame


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
) -> Simulation:
    """Hold the best ``topk`` names, replacing at most ``n_drop`` of them a session.

    The scores of session ``t`` are traded at the close of ``t + 1``; what is bought earns from
    ``t + 2`` on. Nothing later than ``t`` decides the trade's names, nothing later than
    ``t + 1`` its weights. Held names get equal weights at every session with scores; at one
    without, nothing is traded. Which names are dropped follows Qlib's ``TopkDropoutStrategy``:
    those among the ``n_drop`` worst of held and best new names together; a held name without a
    score counts as worst. A name without a price is neither bought nor sold, keeps its weight and
    earns nothing.

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
        bench: Daily returns of a benchmark, as fractions; a session that it lacks counts as 0.
            Default: the names that had a score when the portfolio traded, in equal weights,
            without cost.

    Raises:
        RecordError: An argument is out of range, or the scores have a session without prices.
    """
    check_arguments(topk, n_drop, open_cost, close_cost, account)
    sessions, signal, price = _align(scores, closes)
    tradable = ~np.isnan(price)
    filled = pd.DataFrame(price).ffill().to_numpy()
    moves = np.zeros_like(price)
    moves[1:] = np.nan_to_num(filled[1:] / filled[:-1] - 1)
    scored = ~np.isnan(signal)

    count = len(sessions)
    if bench is not None and count > 1 and not bench.index.isin(sessions[1:]).any():
        raise RecordError(
            f"the benchmark has no return from {format_moment(sessions[1])} to "
            f"{format_moment(sessions[-1])}: give a series of daily returns indexed by session"
        )
    weights = np.zeros_like(price)
    gross, turnover, cost, market = (np.zeros(count) for _ in range(4))
    universe = np.zeros(price.shape[1], dtype=bool)
    held = universe
    for day in range(1, count):
        before = weights[day - 1]
        gross[day] = before @ moves[day]
        market[day] = moves[day, universe].mean() if universe.any() else 0.0
        drifted = before * (1 + moves[day]) / (1 + gross[day])
        weights[day] = drifted
        if not scored[day - 1].any():
            continue
        universe = scored[day - 1] & tradable[day]
        held = choose_holdings(signal[day - 1], held, tradable[day], topk, n_drop)
        weights[day] = _equal_weights(drifted, held, tradable[day])
        trade = weights[day] - drifted
        bought, sold = trade[trade > 0].sum(), -trade[trade < 0].sum()
        turnover[day] = (bought + sold) * (1 + gross[day])
        cost[day] = (bought * open_cost + sold * close_cost) * (1 + gross[day])

    report = pd.DataFrame(
        {
            "account": account * np.cumprod(1 + gross - cost),
            "return": gross,
            "turnover": turnover,
            "cost": cost,
            "bench": market if bench is None else bench.reindex(sessions).fillna(0.0).to_numpy(),
        },
        index=sessions,
    )
    if bench is not None and count > 1:  # bought at the same close as the portfolio
        report.iloc[1, report.columns.get_loc("bench")] = 0.0  # type: ignore[index]
    positions = pd.DataFrame(weights, sessions, scores.columns)
    return Simulation(report.iloc[1:], positions.iloc[1:])


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


def risk_analysis(returns: pd.Series, ann_scaler: int = SESSIONS_A_YEAR) -> dict[str, float]:
    """Figures of daily returns that are summed, not compounded, as Qlib does for excess returns.

    ``mean``; ``std`` (ddof 1); ``annualized_return = mean * N``; ``information_ratio = mean / std
    * sqrt(N)``; ``max_drawdown``, the lowest of ``c - max(c so far)`` with ``c`` the running sum;
    ``volatility = std * sqrt(N)``.

    Args:
        returns: Fractions, one a day.
        ann_scaler: Sessions a year, ``N`` (Qlib has 238).

    Returns:
        The figures by name; NaN where one is not defined.
    """
    import empyrical  # slow to import

    values = returns.to_numpy(dtype="float64")
    summed = np.cumsum(values)
    return {
        "mean": float(returns.mean()),
        "std": float(returns.std(ddof=1)),
        "annualized_return": float(returns.mean() * ann_scaler),
        "information_ratio": float(empyrical.sharpe_ratio(values, annualization=ann_scaler)),
        # empyrical compounds here, Qlib sums
        "max_drawdown": float((summed - np.maximum.accumulate(summed)).min(initial=0.0)),
        "volatility": float(empyrical.annual_volatility(values, annualization=ann_scaler)),
    }


def performance(returns: pd.Series, ann_scaler: int = SESSIONS_A_YEAR) -> dict[str, float]:
    """Figures of daily returns that are compounded, as empyrical defines them.

    ``annual_return = prod(1 + r) ** (N / n) - 1``; ``volatility = std * sqrt(N)``; ``sharpe =
    mean / std * sqrt(N)`` over a riskless rate of zero; ``max_drawdown``, the lowest of ``v /
    max(v so far) - 1`` with ``v`` the compounded value, the start included.

    Args:
        returns: Fractions, one a day.
        ann_scaler: Sessions a year, ``N``.
    """
    import empyrical  # slow to import

    values = returns.to_numpy(dtype="float64")
    return {
        "annual_return": float(empyrical.annual_return(values, annualization=ann_scaler)),
        "volatility": float(empyrical.annual_volatility(values, annualization=ann_scaler)),
        "sharpe": float(empyrical.sharpe_ratio(values, annualization=ann_scaler)),
        "max_drawdown": float(empyrical.max_drawdown(values)),
    }


def check_arguments(topk: Any, n_drop: Any, open_cost: Any, close_cost: Any, account: Any) -> None:
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


def _equal_weights(drifted: Floats, held: Mask, tradable: Mask) -> Floats:
    """Equal weights for what can be traded; what cannot keeps its weight."""
    weights = np.where(tradable, 0.0, drifted)
    moving = held & tradable
    if moving.any():
        weights[moving] = max(0.0, 1 - weights.sum()) / moving.sum()
    return weights
