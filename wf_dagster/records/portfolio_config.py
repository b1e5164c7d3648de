"""How a portfolio trades: the arguments of a simulation, ours and Qlib's."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from difflib import get_close_matches
from typing import Any, Final, Literal, TypedDict

import pandas as pd

from wf_dagster.dates import refuse_ambiguous
from wf_dagster.errors import CalendarError, RecordError
from wf_dagster.records.portfolio import check_arguments

_log = logging.getLogger(__name__)

MONTH: Final = "month"  # of the market's sessions
_STRATEGY = {"topk", "n_drop"}
_BACKTEST = {"start_time", "end_time", "account", "benchmark"}
_COSTS = {"open_cost", "close_cost"}
_UNUSED = {"signal", "model", "dataset", "exchange_kwargs", "deal_price"}


@dataclass(frozen=True)
class PortfolioConfig:
    """How a portfolio trades.

    Attributes:
        topk: Number of names held.
        n_drop: Names replaced a session, at most.
        open_cost: Cost of a buy, as a fraction of its amount.
        close_cost: Cost of a sell, as a fraction of its amount.
        account: Money at the start.
        benchmark: Name of an instrument of the prices, or a list of them (their mean); or a series
            of daily returns, as fractions, one for each session. Default: the names with a score,
            in equal weights.
        start_time: First session whose predictions are used; default all.
        end_time: Last session whose predictions are used; default all.
        delist_after: Sessions in a row without a price after which a held name counts as delisted
            and is sold at its last price; ``None`` is never. Default ``"month"``: those of a month
            of the market, 20 where a year has 252 sessions, 260 bars of 30 minutes, 4 weeks.
        delisting_return: What is paid for it, as a return on that price: 0 is all of it, -1
            nothing.

    Raises:
        RecordError: One is out of range.

    Example:
        >>> PortfolioConfig(topk=3, start_time="2020-01-31").start_time
        Timestamp('2020-01-31 00:00:00')
    """

    topk: int = 5
    n_drop: int = 1
    open_cost: float = 0.0005
    close_cost: float = 0.0015
    account: float = 1_000_000.0
    benchmark: Any = None
    start_time: Any = None
    end_time: Any = None
    delist_after: int | Literal["month"] | None = MONTH
    delisting_return: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.delist_after, str) and self.delist_after != MONTH:
            raise RecordError(
                f"delist_after={self.delist_after!r}: use {MONTH!r}, a number of sessions, or None "
                "for never"
            )
        check_arguments(
            self.topk,
            self.n_drop,
            self.open_cost,
            self.close_cost,
            self.account,
            None if self.delist_after == MONTH else self.delist_after,
            self.delisting_return,
        )
        for name in ("start_time", "end_time"):
            object.__setattr__(self, name, _to_session(name, getattr(self, name)))

    @property
    def benchmark_names(self) -> list[str]:
        """The instruments whose mean return is the benchmark."""
        if self.benchmark is None or isinstance(self.benchmark, (pd.Series, pd.DataFrame)):
            return []
        return [self.benchmark] if isinstance(self.benchmark, str) else list(self.benchmark)


class PortfolioOptions(TypedDict, total=False):
    """The fields of a :class:`PortfolioConfig` as keyword arguments, as tasks hold them."""

    topk: int
    n_drop: int
    open_cost: float
    close_cost: float
    account: float
    benchmark: Any
    start_time: Any
    end_time: Any
    delist_after: int | Literal["month"] | None
    delisting_return: float


def portfolio_config(
    config: PortfolioConfig | Mapping[str, Any] | None, options: Mapping[str, Any]
) -> PortfolioConfig:
    """A portfolio's configuration from Qlib's ``config`` and keyword arguments.

    Args:
        config: Ready; or Qlib's ``{"strategy": {"class", "kwargs"}, "backtest": {...}}``, what the
            simulation has no counterpart for is named in the log.
        options: Fields of a :class:`PortfolioConfig`; what ``config`` says counts before them.

    Raises:
        RecordError: An option is unknown or out of range, or the strategy is not a top-k one.
    """
    names = [field.name for field in fields(PortfolioConfig)]
    for name in options:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"use {', '.join(names)}"
            raise RecordError(f"{name} is no argument of PortAnaRecord: {hint}")
    if isinstance(config, PortfolioConfig):
        if options:
            raise RecordError(
                f"{min(options)} is given beside config=PortfolioConfig(...): put it into that"
            )
        return config
    return PortfolioConfig(**{**options, **qlib_options(config)})


def qlib_options(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a :class:`PortfolioConfig` that stand in Qlib's ``config``.

    Args:
        config: ``{"strategy": {"class", "kwargs"}, "backtest": {...}}``. What the simulation has
            no counterpart for (price limits, a minimum cost, rounding) is named in the log.

    Raises:
        RecordError: The strategy is not a top-k one.
    """
    if not config:
        return {}
    config = _check_mapping("config", config)
    strategy = _check_mapping("config.strategy", config.get("strategy"))
    name = strategy.get("class", "TopkDropoutStrategy")
    if str(getattr(name, "__name__", name)).rpartition(".")[2] != "TopkDropoutStrategy":
        raise RecordError(
            f"config.strategy.class is {name!r}: PortAnaRecord simulates TopkDropoutStrategy only"
        )
    backtest = _check_mapping("config.backtest", config.get("backtest"))
    exchange = _check_mapping("config.backtest.exchange_kwargs", backtest.get("exchange_kwargs"))
    parts = [
        (_check_mapping("config.strategy.kwargs", strategy.get("kwargs")), _STRATEGY),
        (backtest, _BACKTEST),
        (exchange, _COSTS),
    ]
    ignored = {key for part, names in parts for key in set(part) - names - _UNUSED}
    ignored |= set(config) - {"strategy", "backtest"}
    if exchange.get("deal_price", "close") not in ("close", "$close"):
        ignored.add("deal_price")
    if ignored:
        _log.warning(
            "PortAnaRecord: the simulation has no counterpart for %s", ", ".join(sorted(ignored))
        )
    return {
        key: value
        for part, names in parts
        for key, value in part.items()
        if key in names and value is not None
    }


def _check_mapping(place: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RecordError(f"{place} is {value!r}: use a dict, as Qlib's PortAnaRecord takes it")
    return value


def _to_session(name: str, value: Any) -> pd.Timestamp | None:
    if value is None:
        return None
    try:
        refuse_ambiguous(value)
    except CalendarError as error:
        raise RecordError(f"{name}: {error}") from None
    day = pd.to_datetime(value, errors="coerce") if isinstance(value, (str, date)) else pd.NaT
    if pd.isna(day):
        raise RecordError(f"{name}={value!r}: use a date such as '2020-01-31', or leave it out")
    return pd.Timestamp(day)
