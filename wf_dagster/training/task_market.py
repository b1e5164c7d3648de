"""The market of a task, where a task goes to whoever trains it.

Trainers have Qlib's signatures, which know no market, and workers elsewhere get nothing but the
task: it carries the market itself, in the arguments of its dataset where that takes one. What is
fingerprinted, stored and shown is the task without it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from wf_dagster.market import Market
from wf_dagster.tasks import AS_OF, Task, find_class
from wf_dagster.tasks.schema import MARKET


def place_market(task: Mapping[str, Any], market: Market) -> Task:
    """A task that carries a market; the given one stays as it is.

    Args:
        task: A task.
        market: What it is to be trained on, as of its replay date.
    """
    task, _ = take_market(task)
    dataset = task.get("dataset")
    if isinstance(dataset, Mapping) and _takes_market(dataset):
        kwargs = {**(dataset.get("kwargs") or {}), MARKET: market}
        return {**task, "dataset": {**dataset, "kwargs": kwargs}}
    return {**task, MARKET: market}


def take_market(task: Mapping[str, Any]) -> tuple[Task, Market | None]:
    """A task without the market that it carries, and that market; ``None`` if it carries none.

    Args:
        task: A task, perhaps one of a pool, which may carry a replay date alone.
    """
    market = task.get(MARKET)
    market = market if isinstance(market, Market) else None  # a key of somebody else's stays
    carried = (AS_OF,) if market is None else (AS_OF, MARKET)
    bare = {key: value for key, value in task.items() if key not in carried}
    dataset = task.get("dataset")
    kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
    if isinstance(dataset, Mapping) and kwargs and isinstance(kwargs.get(MARKET), Market):
        market = kwargs[MARKET]
        rest = {name: value for name, value in kwargs.items() if name != MARKET}
        bare["dataset"] = {**dataset, "kwargs": rest}
    if as_of := task.get(AS_OF):
        market = (market or Market()).at(as_of)
    return bare, market


def _takes_market(dataset: Mapping[str, Any]) -> bool:
    kind = find_class(dataset, where="dataset")
    return MARKET in inspect.signature(kind).parameters
