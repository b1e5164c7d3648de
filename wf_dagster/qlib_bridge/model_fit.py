"""Qlib's models, fitted without copies of the data that they do not need.

What is learnt is what Qlib learns, to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qlib.contrib.model.linear import LinearModel
from qlib.data.dataset import DatasetH
from qlib.data.dataset.handler import DataHandlerLP
from qlib.data.dataset.weight import Reweighter

from wf_dagster.tasks.reweighting import ask_weights, check_weights
from wf_dagster.tasks.schema import REWEIGHTER

Values = np.ndarray[Any, np.dtype[Any]]


def fit(model: Any, dataset: Any, **arguments: Any) -> None:
    """Fit a model.

    Args:
        model: A model.
        dataset: A dataset.
        **arguments: Further ones of ``model.fit``.
    """
    if type(model) is LinearModel and type(dataset) is DatasetH and not arguments:
        rows = _load_complete_rows(dataset) if _takes_rows_as_they_are(model) else None
        if rows is not None:
            model._fit(*rows, None)
            return
    if arguments.get(REWEIGHTER) is not None:
        arguments = {**arguments, REWEIGHTER: CheckedReweighter(arguments[REWEIGHTER])}
    model.fit(dataset, **arguments)


class CheckedReweighter(Reweighter):  # type: ignore[misc]  # Qlib has no types
    """A reweighter of any kind as one that Qlib's models take.

    Args:
        reweighter: An object with ``reweight(data)``, or a function of data.
    """

    def __init__(self, reweighter: Any) -> None:
        self._reweighter = reweighter

    def reweight(self, data: Any) -> Any:
        """The weights of a frame's rows, checked; of windows whatever they are."""
        values = ask_weights(self._reweighter, data)
        if not isinstance(data, pd.DataFrame):
            return values
        weights = check_weights(values, data.index, self._reweighter, "train or valid")
        # its own series, of its own type: Qlib multiplies with it
        is_in_order = isinstance(values, pd.Series) and values.index.equals(data.index)
        return values if is_in_order else weights


def _takes_rows_as_they_are(model: LinearModel) -> bool:
    least_squares = model.estimator in (model.OLS, model.RIDGE, model.LASSO)
    # scikit-learn centres the rows in place for an intercept: then they have to be a copy
    return least_squares and not model.fit_intercept and not model.include_valid


def _load_complete_rows(dataset: DatasetH) -> tuple[Values, Values] | None:
    """Features and labels of the train segment; ``None`` if one has no value.

    Qlib takes both at once and makes a copy without the rows that lack a value, be there any or
    not.
    """
    try:
        labels, features = (
            dataset.prepare("train", col_set=columns, data_key=DataHandlerLP.DK_L)
            for columns in ("label", "feature")
        )
    except (KeyError, NotImplementedError):  # as the model's own `fit` will say
        return None
    if not (_are_complete(features) and _are_complete(labels)):
        return None
    return features.to_numpy(), np.squeeze(labels.to_numpy())


def _are_complete(rows: Any) -> bool:
    """Whether it is a frame of floats of one type, and each has a value."""
    if not isinstance(rows, pd.DataFrame) or rows.empty or len(set(rows.dtypes)) != 1:
        return False
    values = rows.to_numpy()
    return values.dtype.kind == "f" and not any(np.isnan(column).any() for column in values.T)
