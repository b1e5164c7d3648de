"""Weights of samples: what a task names as its ``reweighter``, and what it gives."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import DataError, TaskError
from wf_dagster.tasks.config import init_instance, locate
from wf_dagster.tasks.schema import REWEIGHTER as REWEIGHTER

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_FORMS = (
    "an object with reweight(data), a function of data, the dotted path of one, or "
    "{'class' or 'func': ..., 'module_path': ..., 'kwargs': ...}"
)


def make_reweighter(config: Any) -> Any:
    """The reweighter that a task names, ready for ``fit(dataset, reweighter=...)``.

    Args:
        config: An object with ``reweight(data)``, as Qlib's; a function of data; the dotted path
            of such a function, object or class; ``{"class", "module_path", "kwargs"}``; or
            ``{"func", "module_path", "kwargs"}``, whose function gets the kwargs beside the data.
            Anything else stays as it is: a model may know what to do with it.

    Raises:
        TaskError: What is named cannot be found or does not take the kwargs.
    """
    if isinstance(config, Mapping) and "func" in config and "class" not in config:
        function = config["func"]
        if isinstance(function, str):
            function = locate(function, config.get("module_path"), where=REWEIGHTER)
        return functools.partial(function, **(config.get("kwargs") or {}))
    if isinstance(config, Mapping) and "class" in config:
        return init_instance(config, where=REWEIGHTER)
    if isinstance(config, str):
        config = locate(config, where=REWEIGHTER)
    return init_instance({"class": config}, where=REWEIGHTER) if _is_class(config) else config


def _is_class(value: Any) -> bool:
    return isinstance(value, type)


def weigh(reweighter: Any, rows: pd.DataFrame, segment: str) -> pd.Series:
    """The weights of rows.

    Args:
        reweighter: What :func:`make_reweighter` gave.
        rows: Rows ``(datetime, instrument)``, columns ``("feature", name)`` and
            ``("label", name)``, as the model learns them.
        segment: Where the rows are from, for messages.

    Returns:
        A float64 weight a row, at least 0 and not all 0, in the order of the rows.

    Raises:
        TaskError: It is no reweighter.
        DataError: It gives something else than a finite weight a row.
    """
    return check_weights(ask_weights(reweighter, rows), rows.index, reweighter, segment)


def ask_weights(reweighter: Any, data: Any) -> Any:
    """What a reweighter gives for data of any kind.

    Raises:
        TaskError: It is no reweighter.
    """
    function = getattr(reweighter, "reweight", reweighter)
    if not callable(function):
        raise TaskError(f"{REWEIGHTER} is {reweighter!r}: use {_FORMS}")
    return function(data)


def check_weights(values: Any, rows: pd.Index, reweighter: Any, segment: str) -> pd.Series:
    """Weights as :func:`weigh` gives them.

    Args:
        values: What the reweighter gave.
        rows: The index of the rows.
        reweighter: The reweighter, for messages.
        segment: Where the rows are from, for messages.

    Raises:
        DataError: There is not a finite weight a row.
    """
    import numpy as np  # slow to import, as the next
    import pandas as pd

    name = _name_of(reweighter)
    if isinstance(values, pd.DataFrame) and values.shape[1] == 1:
        values = values.iloc[:, 0]
    if isinstance(values, pd.Series) and not values.index.equals(rows):
        values = _align(values, rows, name, segment)
    try:
        weights = np.asarray(values, dtype="float64")
    except (TypeError, ValueError):
        raise DataError(
            f"{REWEIGHTER} {name} gave a {type(values).__name__} for segment {segment}: it must "
            "give a number a row, as a Series or an array"
        ) from None
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.shape != (len(rows),):
        raise DataError(
            f"{REWEIGHTER} {name} gave weights of shape {weights.shape} for the {len(rows)} rows "
            f"of segment {segment}: it must give one a row, in their order"
        )
    _check_values(weights, rows, name, segment)
    return pd.Series(weights, rows, name="weight")


def _align(values: pd.Series, rows: pd.Index, name: str, segment: str) -> pd.Series:
    is_alike = values.index.nlevels == rows.nlevels and values.index.is_unique
    if not is_alike or not rows.isin(values.index).all():
        raise DataError(
            f"{REWEIGHTER} {name} gave a Series whose index is not that of the {len(rows)} rows of "
            f"segment {segment}: give pd.Series(weights, index=data.index)"
        )
    return values.reindex(rows)


def _check_values(weights: np.ndarray[Any, Any], rows: pd.Index, name: str, segment: str) -> None:
    import numpy as np  # slow to import

    for wrong, what in ((~np.isfinite(weights), "NaN or infinite"), (weights < 0, "negative")):
        if wrong.any():
            first = int(wrong.argmax())
            raise DataError(
                f"{REWEIGHTER} {name} gave {int(wrong.sum())} {what} weights for segment "
                f"{segment}, the first {weights[first]} at {_place_of(rows[first])}: a weight is a "
                "finite number, at least 0; 0 leaves the row out"
            )
    if len(weights) and not weights.any():
        raise DataError(
            f"{REWEIGHTER} {name} gave the weight 0 to each row of segment {segment}: nothing is "
            "left to learn from"
        )


def _place_of(row: Any) -> str:
    parts = row if isinstance(row, tuple) else (row,)
    return " ".join(str(part).removesuffix(" 00:00:00") for part in parts)


def _name_of(reweighter: Any) -> str:
    while isinstance(reweighter, functools.partial):
        reweighter = reweighter.func
    return str(getattr(reweighter, "__name__", type(reweighter).__name__))
