"""Weights of a reweighter, as estimators and LightGBM take them."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from tests.models.rows import Rows, rows_of
from tests.models.test_classifiers import Scaled, Searched
from wf_dagster.errors import DataError, TaskError
from wf_dagster.models import LightGBMModel, SklearnModel


def rising(data: Any) -> Any:
    return np.arange(1.0, len(data) + 1)


def noisy(feature: Any) -> Any:
    return feature["a"] + feature["b"] ** 2


class RidgePipeline(Scaled):
    def __new__(cls) -> Any:
        return Scaled("sklearn.linear_model.Ridge", alpha=3.0)


class RidgeSearch(Scaled):
    def __new__(cls) -> Any:
        from sklearn.model_selection import GridSearchCV

        return GridSearchCV(RidgePipeline(), {"ridge__alpha": [3.0]}, cv=2)


class RidgeVote(Scaled):
    def __new__(cls) -> Any:
        from sklearn.ensemble import VotingRegressor

        return VotingRegressor([("one", Ridge(3.0)), ("two", Ridge(3.0))])


def weighted_ridge(features: Any, label: Any, weights: Any, asked: Any, scaled: bool) -> Any:
    """Ridge regression with weights by its normal equations."""
    if scaled:
        mean, spread = features.mean(axis=0), features.std(axis=0)
        features, asked = (features - mean) / spread, (asked - mean) / spread
    centre = np.average(features, axis=0, weights=weights)
    level = np.average(label, weights=weights)
    rows = features - centre
    matrix = rows.T @ (weights[:, None] * rows) + 3.0 * np.eye(3)
    slopes = np.linalg.solve(matrix, rows.T @ (weights * (label - level)))
    return (asked - centre) @ slopes + level


@pytest.mark.parametrize(
    ("estimator", "scaled"),
    [
        ("sklearn.linear_model.Ridge", False),
        (RidgePipeline, True),
        (RidgeSearch, True),
        (RidgeVote, False),
    ],
)
def test_an_estimator_learns_with_them_wherever_it_stands(estimator, scaled):
    data = Rows(noisy)
    model = SklearnModel(estimator, **({"alpha": 3.0} if isinstance(estimator, str) else {}))
    model.fit(data, reweighter=rising)
    features, labels = data.learned()
    wanted = weighted_ridge(
        features, labels[:, 0], np.arange(1.0, len(features) + 1), data.asked(), scaled
    )
    np.testing.assert_allclose(model.predict(data).to_numpy(), wanted)


def test_a_classifier_takes_them_too():
    data = Rows(lambda f: (noisy(f) > 0).astype("float64"))
    models = [SklearnModel(Searched), SklearnModel(Searched)]
    models[0].fit(data)
    models[1].fit(data, reweighter=rising)
    assert not models[0].predict(data).equals(models[1].predict(data))


class NeighboursVote(Scaled):
    def __new__(cls) -> Any:
        from sklearn.ensemble import VotingRegressor
        from sklearn.neighbors import KNeighborsRegressor

        return VotingRegressor([("one", Ridge()), ("two", KNeighborsRegressor())])


@pytest.mark.parametrize(
    ("estimator", "name"),
    [("sklearn.neighbors.KNeighborsRegressor", "KNeighbors"), (NeighboursVote, "VotingRegressor")],
)
def test_an_estimator_that_takes_none_is_refused_before_the_fit(estimator, name):
    with pytest.raises(TaskError, match=rf"reweighter: {name}\w* takes no sample_weight; use an"):
        SklearnModel(estimator).fit(Rows(noisy), reweighter=rising)


@pytest.mark.parametrize("make", [SklearnModel, LightGBMModel])
def test_wrong_weights_are_refused(make):
    with pytest.raises(DataError, match=r"reweighter <lambda> gave 300 negative weights"):
        make().fit(Rows(noisy), reweighter=lambda data: -rising(data))


def test_lightgbm_weighs_train_and_valid():
    segments = {"train": rows_of(), "valid": rows_of(10, start="2020-04-01")}
    data = Rows(noisy, **segments, test=rows_of(4, start="2020-06-01"))
    settings: dict[str, Any] = {"min_data_in_leaf": 5, "num_threads": 1}
    model = LightGBMModel(num_boost_round=50, early_stopping_rounds=3, **settings)
    model.fit(data, reweighter=rising)
    params = {"objective": "mse", "verbosity": -1, "deterministic": True, "seed": 0}
    params |= {"force_row_wise": True, **settings}
    sets = []
    for name, rows in segments.items():
        frame = data._frames[name]
        sets.append(
            lightgbm.Dataset(
                frame["feature"].to_numpy(),
                frame["label"].to_numpy()[:, 0],
                weight=np.arange(1.0, len(rows) + 1),
                params=params,
                reference=sets[0] if sets else None,
            )
        )
    stop = lightgbm.early_stopping(3, verbose=False)
    plain = lightgbm.train(params, sets[0], 50, valid_sets=[sets[1]], callbacks=[stop])
    np.testing.assert_array_equal(model.predict(data), plain.predict(data.asked()))
    assert model.booster is not None
    assert model.booster.best_iteration == plain.best_iteration < 50


def test_only_rows_with_a_label_are_weighed():
    data = Rows(lambda f: f["a"].where(f["b"] > 0))
    seen = []
    SklearnModel().fit(data, reweighter=lambda rows: seen.append(rows) or rising(rows))
    (rows,) = seen
    assert rows["label"].notna().all(axis=None)
    assert list(rows.columns.get_level_values(0).unique()) == ["feature", "label"]
