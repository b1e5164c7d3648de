"""Gradient boosting with LightGBM as a model of a task."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError, TaskError
from wf_dagster.extras import optional_import
from wf_dagster.models import class_scores, ranking
from wf_dagster.models.features_and_scores import prepare_features, to_scores
from wf_dagster.models.learning_rows import Array, LearningRows, read_learning_rows

if TYPE_CHECKING:
    import lightgbm

_log = logging.getLogger(__name__)
_NAME = "LightGBM"
# LightGBM's names of an objective, its aliases included
_RANKING = {"lambdarank", "rank_xendcg", "xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"}
_CLASSES = {"multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr"}


class LightGBMModel:
    """LightGBM, fitted on ``train`` and stopped early on ``valid`` where there is one.

    The same data and seed give the same model, whatever the number of threads.

    Scores are LightGBM's predictions. Of ``"binary"`` they are the probability of a label above 0;
    of ``"multiclass"`` and ``"multiclassova"``, whose labels may be any whole numbers, the expected
    label, the sum of probability times label. For ``"lambdarank"`` and ``"rank_xendcg"`` the rows
    of a session are a group.

    Args:
        num_boost_round: Largest number of trees.
        early_stopping_rounds: Stop when ``valid`` has not improved for as many trees.
        loss: LightGBM objective, ``"mse"`` by default.
        label_column: Name or position of the label to predict; default the only one.
        positive_class: The class whose probability is the score, of more than two.
        relevance_grades: For a ranking objective: cut the labels of each session into so many
            grades of equal size.
        **params: Further parameters of LightGBM.

    Raises:
        TaskError: An argument does not go with the objective.
    """

    requires_extra: ClassVar[str] = "lightgbm"
    # not in the state of a model that does not use them: a ready one's is in its fingerprint
    label_column: str | int | None = None
    positive_class: Any = None
    relevance_grades: int | None = None
    classes: Array | None = None

    def __init__(
        self,
        num_boost_round: int = 1000,
        early_stopping_rounds: int | None = 50,
        loss: str = "mse",
        label_column: str | int | None = None,
        positive_class: Any = None,
        relevance_grades: int | None = None,
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
        if label_column is not None:
            self.label_column = label_column
        if positive_class is not None:
            self.positive_class = positive_class
        if relevance_grades is not None:
            self.relevance_grades = relevance_grades
        objective = self.params["objective"]
        ranking.check_grades(relevance_grades, self._has(_RANKING), f"objective {objective!r}")
        if positive_class is not None and not self._has(_CLASSES):
            raise TaskError(
                f"model.kwargs.positive_class is {positive_class!r}, but objective {objective!r} "
                "has no classes to choose from: leave it out"
            )

    def _has(self, objectives: set[str]) -> bool:
        objective = self.params["objective"]
        return isinstance(objective, str) and objective in objectives

    def fit(
        self,
        dataset: Any,
        init_model: LightGBMModel | None = None,
        reweighter: Any = None,
        **kwargs: Any,
    ) -> None:
        """Fit on ``train``.

        Args:
            dataset: Gives ``train`` and perhaps ``valid``.
            init_model: A fitted model to go on from: its trees are kept, and more are added.
            reweighter: Gives the weights of the rows of both segments.
            **kwargs: Further arguments of ``lightgbm.train``.

        Raises:
            DataError: A segment has no row with a label, labels that the objective cannot learn,
                or wrong weights.
            TaskError: LightGBM refuses a parameter; or the label column is not there.
            MissingExtraError: LightGBM is not installed.
        """
        with optional_import("lightgbm", "LightGBMModel"):
            import lightgbm  # slow to import

        params = dict(self.params)
        if threads := os.environ.get("OMP_NUM_THREADS"):
            params.setdefault("num_threads", int(threads.split(",")[0]))

        def make_data(segment: str, **more: Any) -> lightgbm.Dataset:
            rows = read_learning_rows(
                dataset, segment, label_column=self.label_column, reweighter=reweighter
            )
            rows, groups = self._fit_labels(rows, segment, init_model)
            return lightgbm.Dataset(
                rows.features.to_numpy(),
                rows.labels,
                weight=rows.weights,
                group=groups,
                params=params,
                **more,
            )

        if self._has(_CLASSES):
            self.classes = None  # those of an earlier fit
        train = make_data("train")
        if self.classes is not None:
            params["num_class"] = len(self.classes)
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

    def _fit_labels(
        self, rows: LearningRows, segment: str, init_model: LightGBMModel | None
    ) -> tuple[LearningRows, Array | None]:
        """Rows with labels as the objective wants them, and the sizes of groups."""
        objective = f"objective {self.params['objective']!r}"
        if self._has(_RANKING):
            needs_grades = "label_gain" not in self.params
            return ranking.to_groups(
                rows, segment, self.relevance_grades, objective, needs_grades=needs_grades
            )
        if self._has({"binary"}) and segment == "train":
            up = rows.labels > 0
            if up.all() or not up.any():
                raise DataError(
                    f"{'all' if up.all() else 'none'} of the {len(up)} labels of segment train are "
                    f"above 0, which {objective} takes for the up class: use labels of both "
                    "classes, such as 0 and 1"
                )
        if self._has(_CLASSES):
            if self.classes is None:
                self.classes = self._find_classes(rows, objective)
                if init_model is not None:
                    self._check_same_classes(init_model)
            rows = _number_classes(rows, self.classes, segment)
        return rows, None

    def _find_classes(self, rows: LearningRows, objective: str) -> Array:
        classes = class_scores.find_classes(rows.labels, objective)
        class_scores.check_order(classes, self.positive_class, objective)
        count = self.params.get("num_class")
        if count is None or count == len(classes):
            return classes
        if set(classes) <= set(range(count)):  # some do not occur in this segment
            return np.arange(count)
        raise TaskError(
            f"model.kwargs.num_class is {count}, but the labels of segment train are "
            f"{len(classes)} classes: leave num_class out, it is counted"
        )

    def _check_same_classes(self, init_model: LightGBMModel) -> None:
        before = init_model.classes
        if before is None or not np.array_equal(before, self.classes):  # type: ignore[arg-type]
            raise DataError(
                f"warm_start: the model before learnt the classes {before}, this one "
                f"{self.classes}: begin anew, or give num_class and labels from 0"
            )

    def predict(self, dataset: Any, segment: Any = "test") -> pd.Series:
        """Scores of a segment: rows ``(datetime, instrument)``, named ``score``.

        Raises:
            DataError: The model was not fitted.
        """
        if self.booster is None:
            raise DataError("the model was not fitted yet: call fit(dataset) first")
        features = prepare_features(dataset, segment)
        values = np.asarray(self.booster.predict(features.to_numpy()))
        if self._has(_CLASSES) and self.classes is not None:
            # one against all others: they need not sum to 1
            shares = values / values.sum(axis=1, keepdims=True)
            values = class_scores.score_probabilities(
                shares, self.classes, self.positive_class, _NAME
            )
        return to_scores(features, values, _NAME)


def _number_classes(rows: LearningRows, classes: Array, segment: str) -> LearningRows:
    """Labels as positions among the classes; rows of other classes are left out."""
    is_known = np.isin(rows.labels, classes)
    if not is_known.all():
        _log.warning(
            "%d of %d rows of segment %s have classes that do not occur in segment train: they do "
            "not count for early stopping",
            int((~is_known).sum()),
            len(is_known),
            segment,
        )
        if not is_known.any():
            raise DataError(
                f"segment {segment} has none of the classes {classes.tolist()} of segment train: "
                "leave it out, or use a longer one"
            )
        rows = replace(
            rows,
            features=rows.features[is_known],
            labels=rows.labels[is_known],
            weights=None if rows.weights is None else rows.weights[is_known],
        )
    return replace(rows, labels=np.searchsorted(classes, rows.labels))
