"""Gradient boosting with LightGBM as a model of a task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pandas as pd

from wf_dagster.errors import DataError, TaskError
from wf_dagster.models.features_and_scores import prepare_features, prepare_learning_data, to_scores

if TYPE_CHECKING:
    import lightgbm


class LightGBMModel:
    """LightGBM, fitted on ``train`` and stopped early on ``valid`` where there is one.

    The same data and seed give the same model, whatever the number of threads.

    Args:
        num_boost_round: Largest number of trees.
        early_stopping_rounds: Stop when ``valid`` has not improved for as many trees.
        loss: LightGBM objective, ``"mse"`` by default.
        **params: Further parameters of LightGBM.
    """

    def __init__(
        self,
        num_boost_round: int = 1000,
        early_stopping_rounds: int | None = 50,
        loss: str = "mse",
        **params: Any,
    ) -> None:
        self.num_boost_round = num_boost_round
        self.early_stopping_rounds = early_stopping_rounds
        self.params = {
            "objective": loss,
            "verbosity": -1,
            "deterministic": True,
            "force_row_wise": True,
            "seed": 0,
            **params,
        }
        self.booster: lightgbm.Booster | None = None

    def fit(self, dataset: Any, init_model: LightGBMModel | None = None, **kwargs: Any) -> None:
        """Fit on ``train``.

        Args:
            dataset: Gives ``train`` and perhaps ``valid``.
            init_model: A fitted model to go on from: its trees are kept, and more are added.
            **kwargs: Further arguments of ``lightgbm.train``.

        Raises:
            DataError: A segment has no row with a label.
            TaskError: LightGBM refuses a parameter.
        """
        import lightgbm  # slow to import

        params = dict(self.params)
        if threads := os.environ.get("OMP_NUM_THREADS"):
            params.setdefault("num_threads", int(threads.split(",")[0]))

        def make_data(segment: str, **more: Any) -> lightgbm.Dataset:
            features, label = prepare_learning_data(dataset, segment)
            return lightgbm.Dataset(features.to_numpy(), label, params=params, **more)

        train = make_data("train")
        valid_sets: list[Any] = []
        callbacks: list[Any] = []
        if "valid" in dataset.segments:
            valid_sets = [make_data("valid", reference=train)]
            if self.early_stopping_rounds:
                callbacks = [lightgbm.early_stopping(self.early_stopping_rounds, verbose=False)]
        try:
            self.booster = lightgbm.train(
                params,
                train,
                num_boost_round=self.num_boost_round,
                valid_sets=valid_sets,
                callbacks=callbacks,
                init_model=None if init_model is None else init_model.booster,
                **kwargs,
            )
        except lightgbm.basic.LightGBMError as error:
            raise TaskError(f"model.kwargs: LightGBM refuses {self.params}: {error}") from error

    def predict(self, dataset: Any, segment: Any = "test") -> pd.Series:
        """Scores of a segment: rows ``(datetime, instrument)``, named ``score``.

        Raises:
            DataError: The model was not fitted.
        """
        if self.booster is None:
            raise DataError("the model was not fitted yet: call fit(dataset) first")
        features = prepare_features(dataset, segment)
        return to_scores(features, self.booster.predict(features.to_numpy()))
