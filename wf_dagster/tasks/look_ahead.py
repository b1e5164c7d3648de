"""How far a label function of one's own looks ahead, said beside it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from wf_dagster.errors import TaskError

_ATTRIBUTE = "wf_look_ahead"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class LookAhead:
    """How far a label looks ahead.

    Attributes:
        horizon: Sessions that it spans, or the name of the parameter that says so.
        lag: Sessions from the forecast to the trade, or the name of the parameter.
    """

    horizon: int | str
    lag: int | str


def looks_ahead(horizon: int | str, lag: int | str) -> Callable[[Function], Function]:
    """Say how far a label function looks ahead.

    Annual figures count with its horizon, and a training waits until its labels are known. A label
    function whose parameters are called ``horizon`` and ``lag`` says so without.

    Args:
        horizon: Sessions that a label spans, from the trade on; or the name of the parameter that
            says so, which :class:`~wf_dagster.rolling.MultiHorizonGen` then sets.
        lag: Sessions from the forecast to the trade: 0 for a trade at the close of the forecast's
            own session; or the name of the parameter. A label is known ``lag + horizon`` sessions
            after its session.

    Raises:
        TaskError: One is no number of sessions and no parameter of the function, or a number where
            a parameter of that name says something else.

    Example:
        >>> @looks_ahead(horizon=10, lag=0)
        ... def ten_days(prices):
        ...     close = prices["close"].unstack()
        ...     return (close.shift(-10) / close - 1).stack().to_frame("label")
    """

    def state(function: Function) -> Function:
        stated = LookAhead(horizon, lag)
        parameters = inspect.signature(function).parameters
        for name, value, least in (("horizon", horizon, 1), ("lag", lag, 0)):
            _check(getattr(function, "__name__", "the function"), name, value, least, parameters)
        setattr(function, _ATTRIBUTE, stated)
        return function

    return state


def stated_look_ahead(function: Any) -> LookAhead | None:
    """What the decorator of a function says; ``None`` without one."""
    stated = getattr(function, _ATTRIBUTE, None)
    return stated if isinstance(stated, LookAhead) else None


def _check(function: str, name: str, value: Any, least: int, parameters: Any) -> None:
    if isinstance(value, str):
        if value not in parameters:
            raise TaskError(
                f"looks_ahead({name}={value!r}): {function} has no parameter {value!r}, it has "
                f"{', '.join(parameters)}"
            )
        return
    if type(value) is not int or value < least:
        raise TaskError(
            f"looks_ahead({name}={value!r}) of {function}: use a number of sessions, at least "
            f"{least}, or the name of a parameter"
        )
    if name in parameters:
        raise TaskError(
            f"looks_ahead({name}={value}): {function} has a parameter {name!r}, which may say "
            f"something else; write {name}={name!r}"
        )
