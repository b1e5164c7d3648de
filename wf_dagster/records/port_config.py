"""Qlib's configuration of a portfolio analysis, as arguments of ours."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from wf_dagster.errors import RecordError

_log = logging.getLogger(__name__)

_STRATEGY = {"topk", "n_drop"}
_BACKTEST = {"start_time", "end_time", "account", "benchmark"}
_COSTS = {"open_cost", "close_cost"}
_UNUSED = {"signal", "model", "dataset", "exchange_kwargs", "deal_price"}


def qlib_arguments(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments of a ``PortAnaRecord`` that stand in Qlib's ``config``.

    Args:
        config: ``{"strategy": {"class", "kwargs"}, "backtest": {...}}``. What the simulation has
            no counterpart for (price limits, a minimum cost, rounding) is named in the log.

    Raises:
        RecordError: The strategy is not a top-k one.
    """
    if not config:
        return {}
    config = _mapping("config", config)
    strategy = _mapping("config.strategy", config.get("strategy"))
    name = strategy.get("class", "TopkDropoutStrategy")
    if str(getattr(name, "__name__", name)).rpartition(".")[2] != "TopkDropoutStrategy":
        raise RecordError(
            f"config.strategy.class is {name!r}: PortAnaRecord simulates TopkDropoutStrategy only"
        )
    backtest = _mapping("config.backtest", config.get("backtest"))
    exchange = _mapping("config.backtest.exchange_kwargs", backtest.get("exchange_kwargs"))
    parts = [
        (_mapping("config.strategy.kwargs", strategy.get("kwargs")), _STRATEGY),
        (backtest, _BACKTEST),
        (exchange, _COSTS),
    ]
    ignored = {key for given, known in parts for key in set(given) - known - _UNUSED}
    ignored |= set(config) - {"strategy", "backtest"}
    if exchange.get("deal_price", "close") not in ("close", "$close"):
        ignored.add("deal_price")
    if ignored:
        _log.warning(
            "PortAnaRecord: the simulation has no counterpart for %s", ", ".join(sorted(ignored))
        )
    return {
        key: value
        for given, known in parts
        for key, value in given.items()
        if key in known and value is not None
    }


def _mapping(place: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RecordError(f"{place} is {value!r}: use a dict, as Qlib's PortAnaRecord takes it")
    return value
