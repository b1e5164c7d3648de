"""Any scikit-learn regressor as a model of a task."""

from __future__ import annotations

from typing import Any

import pandas as pd

from wf_dagster.errors import DataError, TaskError
from wf_dagster.models.base import (
    gaps_explained,
    inference_features,
    learning_arrays,
    scores,
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
        kind = locate(estimator, where="model.kwargs.estimator")
        try:
            self.estimator = kind(**params)
        except TypeError as error:
            raise TaskError(f"model.kwargs: {estimator} does not take these: {error}") from None
        self._fitted = False

    def fit(self, dataset: Any, **kwargs: Any) -> None:
        """Fit on ``train``.

        Raises:
            DataError: ``train`` has no row with a label, or features that the estimator refuses.
        """
        features, label = learning_arrays(dataset, "train")
        with gaps_explained(dataset, "train", "learn"):
            self.estimator.fit(features, label, **kwargs)
        self._fitted = True

    def predict(self, dataset: Any, segment: Any = "test") -> pd.Series:
        """Scores of a segment: rows ``(datetime, instrument)``, named ``score``.

        Raises:
            DataError: The model was not fitted.
        """
        if not self._fitted:
            raise DataError("the model was not fitted yet: call fit(dataset) first")
        features = inference_features(dataset, segment)
        with gaps_explained(dataset, segment, "infer"):
            return scores(features, self.estimator.predict(features.to_numpy()))
