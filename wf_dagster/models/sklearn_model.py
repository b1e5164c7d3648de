"""Any scikit-learn estimator as a model of a task."""

from __future__ import annotations

import copy
import logging
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from wf_dagster.errors import DataError, TaskError
from wf_dagster.models import class_scores, ranking
from wf_dagster.models.estimators import make_estimator
from wf_dagster.models.features_and_scores import explain_refusal, prepare_features, to_scores
from wf_dagster.models.fit_arguments import fit_argument, last_estimator
from wf_dagster.models.learning_rows import Array, LearningRows, read_learning_rows

_log = logging.getLogger(__name__)


class SklearnModel:
    """A scikit-learn estimator, fitted on the train segment.

    A regressor's predictions are the scores. Of a classifier, alone, in a pipeline or in a
    meta-estimator, they are the probability of the greater of two classes, and of more classes the
    expected class value, the sum of probability times class; without ``predict_proba`` the decision
    function of two classes. An estimator that learns to rank (``fit(group=)``) gets the rows of
    each session as a group.

    Args:
        estimator: A class with ``fit(X, y)`` and ``predict(X)``, a function that makes such an
            estimator, or the dotted path of either; a ready one, such as a pipeline, of which a
            copy is fitted; or ``{"class", "module_path", "kwargs"}``, whose kwargs may hold such
            parts too: the steps of a pipeline.
        label_column: Name or position of the label to predict; default the only one.
        all_labels: Learn all label columns at once, with an estimator of several outputs; one that
            can do nothing else does so by itself.
        positive_class: The class whose probability is the score of a classifier.
        relevance_grades: For an estimator that learns to rank: cut the labels of each session into
            so many grades of equal size.
        **params: Parameters of the estimator; of one inside a pipeline ``step__name``.

    Raises:
        TaskError: The class cannot be found, does not take the parameters, or gives no scores.

    Example:
        >>> SklearnModel("sklearn.linear_model.Ridge", alpha=10.0).estimator
        Ridge(alpha=10.0)
        >>> part = "sklearn.preprocessing.StandardScaler"
        >>> steps = [["scale", {"class": part}], ["ridge", {"class": "sklearn.linear_model.Ridge"}]]
        >>> SklearnModel({"class": "sklearn.pipeline.Pipeline", "kwargs": {"steps": steps}}
        ...              ).estimator.steps[1]
        ['ridge', Ridge()]
    """

    # for checks that do not import it: the estimator takes the further arguments
    hands_on_to: ClassVar[str] = "estimator"

    # not in the state of a model that does not use them: a ready one's is in its fingerprint
    label_column: str | int | None = None
    all_labels: bool = False
    positive_class: Any = None
    relevance_grades: int | None = None
    _output: int | None = None
    _classes: Array | None = None

    def __init__(
        self,
        estimator: Any = "sklearn.linear_model.Ridge",
        label_column: str | int | None = None,
        all_labels: bool = False,
        positive_class: Any = None,
        relevance_grades: int | None = None,
        **params: Any,
    ) -> None:
        self.estimator = make_estimator(estimator, params)
        if label_column is not None:
            self.label_column = label_column
        if all_labels:
            self.all_labels = True
        if positive_class is not None:
            self.positive_class = positive_class
        if relevance_grades is not None:
            self.relevance_grades = relevance_grades
        self._fitted = False
        self._check_estimator()

    @property
    def _name(self) -> str:
        return type(self.estimator).__name__

    def _check_estimator(self) -> None:
        is_ranking = fit_argument(self.estimator, "group") is not None
        ranking.check_grades(self.relevance_grades, is_ranking, self._name)
        if class_scores.is_classifier(self.estimator):
            class_scores.has_probabilities(self.estimator, self._name)
        elif self.positive_class is not None:
            raise TaskError(
                f"model.kwargs.positive_class is {self.positive_class!r}, but {self._name} is no "
                "classifier: leave it out"
            )

    def fit(
        self,
        dataset: Any,
        init_model: SklearnModel | None = None,
        reweighter: Any = None,
        **kwargs: Any,
    ) -> None:
        """Fit on ``train``.

        Args:
            dataset: Gives ``train``.
            init_model: A fitted model to go on from, as scikit-learn's ``warm_start`` does.
            reweighter: Gives the weights of the rows, which become ``sample_weight``.
            **kwargs: Further arguments of the estimator's ``fit``.

        Raises:
            DataError: ``train`` has no row with a label, features that are NaN or infinite where
                the estimator does not take them, labels that it cannot learn, or wrong weights.
            TaskError: There is an ``init_model``, but the estimator has no ``warm_start``; or a
                ``reweighter``, but it takes no weights; or the label column is not there.
        """
        if init_model is not None:
            self.estimator = self._continue_from(init_model)
        weight_name = self._weight_argument() if reweighter is not None else None
        all_labels = self.all_labels or _has_several_outputs_only(self.estimator)
        rows = read_learning_rows(
            dataset,
            "train",
            label_column=self.label_column,
            all_labels=all_labels,
            reweighter=reweighter,
        )
        if class_scores.is_classifier(self.estimator):
            self._read_classes(rows)
        rows, arguments = self._group(rows)
        if weight_name is not None:
            arguments[weight_name] = self._weights(rows)
        try:
            self.estimator.fit(rows.features.to_numpy(), rows.labels, **{**arguments, **kwargs})
        except ValueError as error:
            raise explain_refusal(rows.features, "train", error) from error
        if all_labels:
            self._output = rows.output
        self._fitted = True

    def _weight_argument(self) -> str:
        name = fit_argument(self.estimator, "sample_weight", through_meta=True)
        if name is None:
            raise TaskError(
                f"reweighter: {self._name} takes no sample_weight; use an estimator whose fit has "
                "it, or leave the reweighter out"
            )
        return name

    def _weights(self, rows: LearningRows) -> Array:
        assert rows.weights is not None
        last = last_estimator(self.estimator)
        if not (type(last).__module__.startswith("xgboost") and fit_argument(last, "group")):
            return rows.weights
        by_day = pd.Series(rows.weights).groupby(rows.days.to_numpy())
        if (by_day.nunique() > 1).any():
            raise DataError(
                f"reweighter: {self._name} weighs whole sessions, but the rows of a session have "
                "different weights: give all rows of a day the same weight"
            )
        return np.asarray(by_day.first())

    def _read_classes(self, rows: LearningRows) -> None:
        columns = rows.labels.T if rows.labels.ndim == 2 else [rows.labels]
        classes_of_columns = [class_scores.find_classes(column, self._name) for column in columns]
        classes = classes_of_columns[rows.output if rows.labels.ndim == 2 else 0]
        class_scores.check_order(classes, self.positive_class, self._name)
        self._classes = classes
        if not class_scores.has_probabilities(self.estimator, self._name):
            if len(classes) != 2:
                raise DataError(class_scores.no_probabilities(classes, self._name))
            _log.warning(
                "%s gives no probabilities: the scores are its decision function, without a unit",
                self._name,
            )

    def _group(self, rows: LearningRows) -> tuple[LearningRows, dict[str, Any]]:
        """Rows by session, and the argument that says so, for an estimator that ranks."""
        name = fit_argument(self.estimator, "group")
        if name is None:
            if fit_argument(self.estimator, "group", through_meta=True):
                raise TaskError(
                    f"model.kwargs.estimator: {self._name} splits rows without regard to sessions, "
                    "which the estimator inside ranks: use that one alone, or in a pipeline"
                )
            return rows, {}
        any_label = ranking.takes_any_label(last_estimator(self.estimator))
        rows, sizes = ranking.to_groups(
            rows, "train", self.relevance_grades, self._name, needs_grades=not any_label
        )
        return rows, {name: sizes}

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
        is_classifier = class_scores.is_classifier(self.estimator)
        score = self._score_classes if is_classifier else self.estimator.predict
        try:
            values = score(features.to_numpy())
        except DataError:
            raise
        except ValueError as error:
            raise explain_refusal(features, segment, error) from error
        return to_scores(features, values, self._name, self._output)

    def _score_classes(self, features: Array) -> Array:
        estimator, name, positive = self.estimator, self._name, self.positive_class
        classes = getattr(estimator, "classes_", self._classes)
        if isinstance(classes, list):  # an array an output
            classes = classes[self._output or 0]
        order = np.asarray(classes)
        if not class_scores.has_probabilities(estimator, name):
            decisions = estimator.decision_function(features)
            return class_scores.score_decisions(decisions, order, positive, name)
        probabilities = estimator.predict_proba(features)
        if isinstance(probabilities, list):  # an array an output
            probabilities = probabilities[self._output or 0]
        return class_scores.score_probabilities(probabilities, order, positive, name)


def _has_several_outputs_only(estimator: Any) -> bool:
    tags = getattr(estimator, "__sklearn_tags__", None)
    if not callable(tags):
        return False
    targets = tags().target_tags
    return bool(targets.multi_output and not targets.single_output)
