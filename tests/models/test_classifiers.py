"""Scores of classifiers: the probability of the up class, or the expected class value."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from tests.models.rows import Rows, rows_of
from wf_dagster.errors import DataError, TaskError
from wf_dagster.models import LightGBMModel, SklearnModel

LOGISTIC = "sklearn.linear_model.LogisticRegression"
FOREST = "sklearn.ensemble.RandomForestClassifier"


def up(feature: pd.DataFrame) -> Any:
    return (feature["a"] > 0).astype("float64")


def three(feature: pd.DataFrame) -> Any:
    """Classes -2, 0 and 5."""
    return np.select([feature["a"] < -0.5, feature["a"] > 0.5], [-2.0, 5.0], 0.0)


def fitted(data: Rows, estimator: Any = LOGISTIC, **kwargs: Any) -> SklearnModel:
    model = SklearnModel(estimator, **kwargs)
    model.fit(data)
    return model


def test_of_two_classes_it_is_the_probability_of_the_greater():
    data = Rows(up)
    features, labels = data.learned()
    plain = LogisticRegression().fit(features, labels[:, 0])
    # by hand: the logistic function of the linear form, which is what class 1 has
    wanted = 1 / (1 + np.exp(-(data.asked() @ plain.coef_[0] + plain.intercept_[0])))
    scores = fitted(data).predict(data)
    np.testing.assert_allclose(scores.to_numpy(), wanted)
    assert scores.name == "score"
    # with the classes -1 and 1 too
    signs = Rows(lambda f: 2 * up(f) - 1)
    np.testing.assert_allclose(fitted(signs).predict(signs).to_numpy(), wanted)


def test_of_more_classes_it_is_the_expected_class_value():
    data = Rows(three)
    features, labels = data.learned()
    plain = RandomForestClassifier(5, random_state=0).fit(features, labels[:, 0])
    low, flat, high = plain.predict_proba(data.asked()).T
    scores = fitted(data, FOREST, n_estimators=5, random_state=0).predict(data)
    np.testing.assert_allclose(scores.to_numpy(), -2 * low + 0 * flat + 5 * high)
    chosen = fitted(data, FOREST, n_estimators=5, random_state=0, positive_class=0)
    np.testing.assert_allclose(chosen.predict(data).to_numpy(), flat)


class Scaled:
    """A pipeline, made with one argument as a task gives it."""

    def __new__(cls, last: str = LOGISTIC, **params: Any) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), SklearnModel(last, **params).estimator)

    def fit(self) -> None: ...

    def predict(self) -> None: ...


class Searched(Scaled):
    def __new__(cls, last: str = LOGISTIC) -> Any:
        from sklearn.model_selection import GridSearchCV

        return GridSearchCV(SklearnModel(last).estimator, {"C": [0.1, 1.0]}, cv=2)


@pytest.mark.parametrize("kind", [Scaled, Searched])
def test_pipelines_and_searches_that_end_in_a_classifier_are_classifiers(kind):
    data = Rows(up)
    model = fitted(data, kind)
    scores = model.predict(data)
    np.testing.assert_array_equal(scores, model.estimator.predict_proba(data.asked())[:, 1])
    assert scores.between(0, 1).all()
    assert scores.nunique() == len(scores)


def test_without_probabilities_the_decision_function_of_two_classes_is_the_score(caplog):
    data = Rows(up)
    features, labels = data.learned()
    plain = LinearSVC(random_state=0).fit(features, labels[:, 0])
    distance = data.asked() @ plain.coef_[0] + plain.intercept_[0]
    scores = fitted(data, "sklearn.svm.LinearSVC", random_state=0).predict(data)
    np.testing.assert_allclose(scores.to_numpy(), distance)
    assert "LinearSVC gives no probabilities: the scores are its decision function" in caplog.text
    other = fitted(data, "sklearn.svm.LinearSVC", random_state=0, positive_class=0.0)
    np.testing.assert_allclose(other.predict(data).to_numpy(), -distance)


def test_a_decision_function_of_more_classes_is_refused_before_the_fit():
    with pytest.raises(DataError, match=r"LinearSVC has no predict_proba, .*the 3 classes -2\.0, "):
        fitted(Rows(three), "sklearn.svm.LinearSVC")


class Votes:
    """A classifier of the user's that only votes."""

    _estimator_type = "classifier"

    def __sklearn_tags__(self) -> Any:
        return LogisticRegression().__sklearn_tags__()

    def fit(self, rows: Any, target: Any) -> None: ...

    def predict(self, rows: Any) -> None: ...


class Sigmoid:
    """A net of the user's that knows nothing of scikit-learn and gives ``(n, 1)``."""

    def fit(self, rows: Any, target: Any) -> None:
        self.shift = target.mean()

    def predict(self, rows: Any) -> Any:
        return rows[:, :1] > 0

    def predict_proba(self, rows: Any) -> Any:
        return 1 / (1 + np.exp(-rows[:, :1] - self.shift))


def test_a_classifier_that_gives_neither_is_refused_at_once():
    with pytest.raises(TaskError, match=r"Votes has neither predict_proba nor decision_function"):
        SklearnModel(Votes)


def test_a_net_with_one_sigmoid_gives_the_probability_of_the_greater_class():
    data = Rows(up)
    shift = data.learned()[1].mean()
    wanted = 1 / (1 + np.exp(-data.asked()[:, 0] - shift))
    np.testing.assert_allclose(fitted(data, Sigmoid).predict(data).to_numpy(), wanted)


def test_texts_as_classes_have_no_order_until_one_is_named():
    def words(feature: pd.DataFrame) -> Any:
        return np.where(feature["a"] > 0, "buy", "sell").astype(object)

    data = Rows(words)
    with pytest.raises(DataError, match=r"the classes buy, sell, which have no order: .*'sell'"):
        fitted(data)
    scores = fitted(data, positive_class="buy").predict(data)
    assert np.corrcoef(scores, data.asked()[:, 0])[0, 1] > 0.8
    with pytest.raises(TaskError, match=r"positive_class is 'hold': the classes .* buy, sell"):
        fitted(data, positive_class="hold")


def test_returns_as_labels_of_a_classifier_are_refused_with_the_remedy():
    with pytest.raises(
        DataError, match=r"LogisticRegression learns classes, but .*300 values such"
    ):
        fitted(Rows(lambda f: f["a"] / 100))


def test_one_class_alone_is_refused():
    with pytest.raises(DataError, match=r"all 300 labels of segment train are 1\.0: Random"):
        fitted(Rows(lambda f: f["a"] * 0 + 1), FOREST)


def test_a_positive_class_of_a_regressor_is_refused():
    with pytest.raises(TaskError, match=r"positive_class is 1, but Ridge is no classifier"):
        SklearnModel(positive_class=1)


# ---- LightGBM

SMALL = {"num_boost_round": 5, "min_data_in_leaf": 5, "num_threads": 1}


def boosted(data: Rows, **kwargs: Any) -> LightGBMModel:
    model = LightGBMModel(**{**SMALL, **kwargs})
    model.fit(data)
    return model


def plain_booster(data: Rows, labels: Any, **params: Any) -> lightgbm.Booster:
    settings = {"verbosity": -1, "deterministic": True, "force_row_wise": True, "seed": 0}
    settings |= {"min_data_in_leaf": 5, "num_threads": 1, **params}
    rows = lightgbm.Dataset(data.learned()[0], labels, params=settings)
    return lightgbm.train(settings, rows, 5)


def test_lightgbm_binary_gives_the_probability_of_a_label_above_0():
    data = Rows(lambda f: 2 * up(f) - 1)
    raw = plain_booster(data, data.learned()[1][:, 0] > 0, objective="binary").predict(
        data.asked(), raw_score=True
    )
    scores = boosted(data, loss="binary").predict(data)
    np.testing.assert_allclose(scores.to_numpy(), 1 / (1 + np.exp(-np.asarray(raw))))


def test_lightgbm_binary_with_labels_on_one_side_is_refused():
    with pytest.raises(DataError, match=r"all of the 300 labels of segment train are above 0"):
        boosted(Rows(lambda f: up(f) + 1), loss="binary")


def test_lightgbm_multiclass_gives_the_expected_label():
    data = Rows(three)
    numbers = np.searchsorted([-2, 0, 5], data.learned()[1][:, 0])
    raw = plain_booster(data, numbers, objective="multiclass", num_class=3).predict(
        data.asked(), raw_score=True
    )
    shares = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)  # the softmax by hand
    for given in ({}, {"num_class": 3}):
        scores = boosted(data, loss="multiclass", **given).predict(data)
        np.testing.assert_allclose(scores.to_numpy(), shares @ [-2, 0, 5])
    chosen = boosted(data, loss="multiclass", positive_class=5).predict(data)
    np.testing.assert_allclose(chosen.to_numpy(), shares[:, 2])


def test_lightgbm_one_against_all_is_made_to_sum_to_one():
    data = Rows(three)
    numbers = np.searchsorted([-2, 0, 5], data.learned()[1][:, 0])
    booster = plain_booster(data, numbers, objective="multiclassova", num_class=3)
    each = np.asarray(booster.predict(data.asked()))
    assert not np.allclose(each.sum(axis=1), 1)
    wanted = (each @ [-2, 0, 5]) / each.sum(axis=1)
    scores = boosted(data, loss="multiclassova").predict(data)
    np.testing.assert_allclose(scores.to_numpy(), wanted)


def test_a_class_that_only_valid_has_does_not_count(caplog):
    segments = {
        "train": rows_of(),
        "valid": rows_of(20, start="2020-04-01"),
        "test": rows_of(4, start="2020-06-01"),
    }
    data = Rows(three, **segments)
    rare = data._frames["valid"]
    rare.iloc[:3, rare.columns.get_loc(("label", "label"))] = 7.0
    assert boosted(data, loss="multiclass").classes.tolist() == [-2, 0, 5]
    assert "3 of 100 rows of segment valid have classes that do not occur" in caplog.text


LIGHTGBM_REFUSALS: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "returns": (
        lambda f: f["a"],
        {"loss": "multiclass"},
        DataError,
        r"'multiclass' learns classes",
    ),
    "count": (
        three,
        {"loss": "multiclass", "num_class": 2},
        TaskError,
        "num_class is 2, .* 3 clas",
    ),
    "no classes": (up, {"positive_class": 1}, TaskError, "'mse' has no classes to choose"),
}


@pytest.mark.parametrize("case", LIGHTGBM_REFUSALS)
def test_lightgbm_refuses_labels_and_arguments_that_do_not_go_together(case):
    label, kwargs, error, message = LIGHTGBM_REFUSALS[case]
    with pytest.raises(error, match=message):
        boosted(Rows(label), **kwargs)


def test_a_warm_start_needs_the_same_classes():
    before = boosted(Rows(three), loss="multiclass")
    after = LightGBMModel(loss="multiclass", **SMALL)
    with pytest.raises(DataError, match=r"warm_start: the model before learnt the classes"):
        after.fit(Rows(lambda f: three(f) + 1), init_model=before)
    after.fit(Rows(three), init_model=before)
    assert after.booster is not None
    assert after.booster.num_trees() == 2 * 5 * 3
