"""Ranking: the rows of a session are a group, whatever their order."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest

from tests.models.rows import Rows, rows_of
from tests.models.test_classifiers import Scaled
from wf_dagster.errors import DataError, TaskError
from wf_dagster.models import LightGBMModel, SklearnModel
from wf_dagster.models.ranking import cut_into_grades

SMALL = {"min_data_in_leaf": 5, "num_threads": 1, "seed": 0}
RANKER = "lightgbm.LGBMRanker"
RANKER_PARAMS = {"n_estimators": 5, "min_child_samples": 5, "verbosity": -1, "n_jobs": 1}


def grade(feature: pd.DataFrame) -> Any:
    return np.select([feature["a"] < -0.5, feature["a"] > 0.5], [0.0, 2.0], 1.0)


def uneven() -> pd.MultiIndex:
    """60 days, of which day ``n`` has ``3 + n % 3`` instruments."""
    rows = rows_of()
    day, place = np.divmod(np.arange(len(rows)), 5)
    return rows[place < 3 + day % 3]


def segments(train: pd.MultiIndex) -> dict[str, pd.MultiIndex]:
    return {
        "train": train,
        "valid": rows_of(10, start="2020-04-01"),
        "test": rows_of(4, start="2020-06-01"),
    }


def by_hand(data: Rows, objective: str) -> np.ndarray[Any, Any]:
    settings = {"objective": objective, "verbosity": -1, "deterministic": True}
    settings |= {"force_row_wise": True, **SMALL}
    features, labels = data.learned()
    sizes = [3 + day % 3 for day in range(60)]
    rows = lightgbm.Dataset(features, labels[:, 0], group=sizes, params=settings)
    return np.asarray(lightgbm.train(settings, rows, 5).predict(data.asked()))


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_lightgbm_gets_the_sizes_of_sessions(objective):
    data = Rows(grade, train=uneven(), test=rows_of(4, start="2020-06-01"))
    model = LightGBMModel(num_boost_round=5, loss=objective, **SMALL)
    model.fit(data)
    np.testing.assert_array_equal(model.predict(data), by_hand(data, objective))


def test_it_stops_early_on_the_sessions_of_valid():
    data = Rows(grade, **segments(uneven()))
    model = LightGBMModel(num_boost_round=100, early_stopping_rounds=3, loss="lambdarank", **SMALL)
    model.fit(data)
    assert model.booster is not None
    assert 0 < model.booster.best_iteration < 100
    assert "ndcg@1" in model.booster.best_score["valid_0"]


def test_rows_in_another_order_are_put_in_that_of_days():
    data = Rows(grade, train=uneven(), test=rows_of(4, start="2020-06-01"))
    scores = by_hand(data, "lambdarank")
    frame = data._frames["train"]
    data._frames["train"] = frame.swaplevel().sort_index()  # by instrument, then by day
    model = LightGBMModel(num_boost_round=5, loss="lambdarank", **SMALL)
    model.fit(data)
    np.testing.assert_array_equal(model.predict(data), scores)


@pytest.mark.parametrize("estimator", [RANKER, "pipeline"])
def test_a_ranker_of_scikit_learn_s_kind_gets_its_groups(estimator):
    data = Rows(grade, train=uneven(), test=rows_of(4, start="2020-06-01"))
    features, labels = data.learned()
    params = {**RANKER_PARAMS, "random_state": 0}
    if estimator == "pipeline":
        model = SklearnModel(Scaled, last=RANKER, **params)
        features = (features - features.mean(axis=0)) / features.std(axis=0)
    else:
        model = SklearnModel(estimator, **params)
    model.fit(data)
    plain = lightgbm.LGBMRanker(**params)
    plain.fit(features, labels[:, 0], group=[3 + day % 3 for day in range(60)])
    asked = data.asked()
    if estimator == "pipeline":
        raw = data.learned()[0]
        asked = (asked - raw.mean(axis=0)) / raw.std(axis=0)
    np.testing.assert_allclose(model.predict(data), plain.predict(asked))


def test_labels_are_cut_into_grades_by_session():
    days = pd.Index([1, 1, 1, 1, 2, 2, 2, 3])
    labels = np.array([0.4, -1.0, 0.1, 9.0, 5.0, 5.0, 6.0, 7.0])
    # by hand: ranks 3 1 2 4 of 4; 1.5 1.5 3 of 3; 1 of 1; floor(2 * (rank - 0.5) / size)
    np.testing.assert_array_equal(cut_into_grades(labels, days, 2), [1, 0, 0, 1, 0, 0, 1, 1])


@pytest.mark.parametrize(
    "model",
    [
        lambda **more: LightGBMModel(num_boost_round=5, loss="lambdarank", **SMALL, **more),
        lambda **more: SklearnModel(RANKER, **RANKER_PARAMS, **more),
    ],
    ids=["lightgbm", "sklearn"],
)
def test_returns_are_refused_and_learnt_once_they_are_cut(model):
    data = Rows(lambda f: f["a"] / 100)
    with pytest.raises(DataError, match=r"300 of 300 labels .*relevance_grades=5 cuts the labels"):
        model().fit(data)
    ranked = model(relevance_grades=5)
    ranked.fit(data)
    asked = pd.Series(data.asked()[:, 0], ranked.predict(data).index)
    assert ranked.predict(data).corr(asked, method="spearman") > 0.8


REFUSALS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no ranking": ({"relevance_grades": 5}, TaskError, r"objective 'mse' does not learn to rank"),
    "one grade": ({"loss": "lambdarank", "relevance_grades": 1}, TaskError, r"number from 2 to 31"),
    "a text": ({"loss": "lambdarank", "relevance_grades": "5"}, TaskError, r"is '5': use a whole"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_wrong_grades_are_refused(case):
    kwargs, error, message = REFUSALS[case]
    with pytest.raises(error, match=message):
        LightGBMModel(**kwargs)


def test_grades_for_an_estimator_that_does_not_rank_are_refused():
    with pytest.raises(TaskError, match=r"relevance_grades is 5, but Ridge does not learn to rank"):
        SklearnModel(relevance_grades=5)


def test_one_instrument_cannot_be_ranked():
    rows = rows_of(instruments=1)
    with pytest.raises(DataError, match=r"no session of segment train has two rows"):
        LightGBMModel(loss="lambdarank").fit(Rows(grade, train=rows, test=rows))


class SearchedRanker(Scaled):
    def __new__(cls) -> Any:
        from sklearn.model_selection import GridSearchCV

        return GridSearchCV(lightgbm.LGBMRanker(), {"n_estimators": [2, 3]})


def test_a_search_over_a_ranker_is_refused_as_it_splits_sessions():
    with pytest.raises(TaskError, match=r"GridSearchCV splits rows without regard to sessions"):
        SklearnModel(SearchedRanker).fit(Rows(grade))


def weighs_sessions() -> Any:
    """A ranker that takes a weight a group, as XGBoost's."""

    class XGBRanker:
        objective = "rank:ndcg"

        def fit(self, rows: Any, target: Any, *, group: Any, sample_weight: Any = None) -> None:
            self.group, self.weights = group, sample_weight

        def predict(self, rows: Any) -> Any:
            return rows[:, 0]

    XGBRanker.__module__ = "xgboost.sklearn"
    return XGBRanker


def test_a_ranker_that_weighs_sessions_gets_a_weight_a_session():
    data = Rows(grade, train=uneven(), test=rows_of(4, start="2020-06-01"))
    model = SklearnModel(weighs_sessions())
    model.fit(data, reweighter=lambda rows: rows.index.get_level_values("datetime").dayofyear)
    assert model.estimator.group.tolist() == [3 + day % 3 for day in range(60)]
    assert model.estimator.weights.tolist() == list(range(1, 61))
    with pytest.raises(DataError, match=r"XGBRanker weighs whole sessions"):
        model.fit(data, reweighter=lambda rows: np.arange(1, len(rows) + 1))
