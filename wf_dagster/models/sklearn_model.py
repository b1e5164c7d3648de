"""Any scikit-learn regressor as a model of a task."""

from __future__ import annotations

import copy
from typing import Any

import pandas as pd

from wf_dagster.errors import DataError, TaskError
from wf_dagster.models.features_and_scores import (
    explain_refusal,
    prepare_features,
    prepare_learning_data,
    to_scores,
)
from wf_dagster.tasks import locate


class SklearnModel:
    """A scikit-learn estimator, fitted on the train segment.

    Args:
        estimator: Dotted path of a class with ``fit(X, y)`` and ``predict(X)``.
        **params: Its parameters.

    Raises:
        TaskError: The class cannot be found or does not take the parameters.

    Example:
        >>> SklearnModel("sklearn.linear_model.Ridge", alpha=10.0).estimator
        Ridge(alpha=10.0)
    """

    def __init__(self, estimator: str = "sklearn.linear_model.Ridge", **params: Any) -> None:
        if not isinstance(estimator, str):
            raise TaskError(
                f"model.kwargs.estimator is {estimator!r}: use the dotted path of a class"
            )
        kind = locate(estimator, where="model.kwargs.estimator")
        if not callable(getattr(kind, "fit", None)) or not callable(getattr(kind, "predict", None)):
            raise TaskError(f"model.kwargs.estimator: {estimator} has no fit and predict")
        try:
            self.estimator = kind(**params)
        except TypeError as error:
            raise TaskError(f"model.kwargs: {estimator} does not take these: {error}") from None
        self._fitted = False

    def fit(self, dataset: Any, init_model: SklearnModel | None = None, **kwargs: Any) -> None:
        """Fit on ``train``.

        Args:
            dataset: Gives ``train``.
            init_model: A fitted model to go on from, as scikit-learn's ``warm_start`` does.
            **kwargs: Further arguments of the estimator's ``fit``.

        Raises:
            DataError: ``train`` has no row with a label, or features that are NaN or infinite
                where the estimator does not take them.
            TaskError: There is an ``init_model``, but the estimator has no ``warm_start``.
        """
        if init_model is not None:
            self.estimator = self._continue_from(init_model)
        features, label = prepare_learning_data(dataset, "train")
        try:
            self.estimator.fit(features.to_numpy(), label, **kwargs)
        except ValueError as error:
            raise explain_refusal(features, "train", error) from error
        self._fitted = True

    def _continue_from(self, init_model: SklearnModel) -> Any:
        params = self.estimator.get_params()
        if "warm_start" not in params:
            raise TaskError(
                f"warm_start: {type(self.estimator).__name__} cannot go on from a fitted model; "
                "use an estimator with the parameter 'warm_start', such as SGDRegressor"
            )
        return copy.deepcopy(init_model.estimator).set_params(**{**params, "warm_start": True})

    def predict(self, dataset: Any, segment: Any = "test") -> pd.Series:
        """Scores of a segment: rows ``(datetime, instrument)``, named ``score``.

        Raises:
            DataError: The model was not fitted, or does not take the features (see :meth:`fit`).
        """
        if not self._fitted:
            raise DataError("the model was not fitted yet: call fit(dataset) first")
        features = prepare_features(dataset, segment)
        try:
            return to_scores(features, self.estimator.predict(features.to_numpy()))
        except ValueError as error:
            raise explain_refusal(features, segment, error) from error
