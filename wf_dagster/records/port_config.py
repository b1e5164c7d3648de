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
    strategy = config.get("strategy") or {}
    name = strategy.get("class", "TopkDropoutStrategy")
    if str(getattr(name, "__name__", name)).rpartition(".")[2] != "TopkDropoutStrategy":
        raise RecordError(
            f"config.strategy.class is {name!r}: PortAnaRecord simulates TopkDropoutStrategy only"
        )
    backtest = config.get("backtest") or {}
    parts = [
        (strategy.get("kwargs") or {}, _STRATEGY),
        (backtest, _BACKTEST),
        (backtest.get("exchange_kwargs") or {}, _COSTS),
    ]
    ignored = sorted({key for given, known in parts for key in set(given) - known - _UNUSED})
    if "executor" in config:
        ignored.append("executor")
    if ignored:
        _log.warning("PortAnaRecord: the simulation has no counterpart for %s", ", ".join(ignored))
    return {
        key: value
        for given, known in parts
        for key, value in given.items()
        if key in known and value is not None
    }
