"""The adapters over scikit-learn and LightGBM."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.data.prices import walk, write
from wf_dagster.data import PanelDataset
from wf_dagster.errors import DataError, TaskError
from wf_dagster.models import LightGBMModel, SklearnModel
from wf_dagster.tracking import R

SEGMENTS = {
    "train": ("2020-03-02", "2020-08-31"),
    "valid": ("2020-09-15", "2020-10-15"),
    "test": ("2020-11-02", "2020-12-31"),
}
SMALL = {"num_leaves": 4, "min_data_in_leaf": 10}


@pytest.fixture
def prices(tmp_path) -> str:
    return write(tmp_path / "prices.parquet", walk())


@pytest.fixture
def dataset(prices) -> PanelDataset:
    features = "wf_dagster.data.features.reversal"
    return PanelDataset(SEGMENTS, features, prices=prices, infer_processors=["Fillna"])


def test_any_estimator_by_its_path(dataset):
    from sklearn.ensemble import RandomForestRegressor

    model = SklearnModel(
        "sklearn.ensemble.RandomForestRegressor", n_estimators=5, max_depth=3, random_state=0
    )
    model.fit(dataset)
    train = dataset.prepare("train", data_key="learn")
    plain = RandomForestRegressor(n_estimators=5, max_depth=3, random_state=0)
    plain.fit(train["feature"].to_numpy(), train["label"].to_numpy()[:, 0])
    test = dataset.prepare("test", "feature")
    scores = model.predict(dataset)
    assert scores.name == "score"
    assert scores.index.equals(test.index)
    np.testing.assert_array_equal(scores, plain.predict(test.to_numpy()))


def test_rows_without_a_label_are_not_learned_from(prices):
    late = {**SEGMENTS, "train": ("2020-12-01", None)}
    dataset = PanelDataset(
        late, "wf_dagster.data.features.reversal", prices=prices, infer_processors=["Fillna"]
    )
    model = SklearnModel(alpha=1.0)
    model.fit(dataset)
    assert np.isfinite(model.predict(dataset, "valid")).all()


def test_a_train_segment_whose_labels_are_not_known_yet_is_refused(prices):
    dataset = PanelDataset(
        {"train": ("2021-02-22", None)},
        "wf_dagster.data.features.reversal",
        prices=prices,
        infer_processors=["Fillna"],
    )
    with pytest.raises(DataError, match="segment train has no row with a label"):
        SklearnModel().fit(dataset)


def test_an_estimator_that_does_not_exist_or_does_not_take_its_parameters():
    with pytest.raises(TaskError, match=r"model\.kwargs\.estimator.*has no 'Rigde'.*'Ridge'"):
        SklearnModel("sklearn.linear_model.Rigde")
    with pytest.raises(TaskError, match=r"model\.kwargs: sklearn\.linear_model\.Ridge.*alhpa"):
        SklearnModel("sklearn.linear_model.Ridge", alhpa=1.0)


def test_features_without_a_value_are_refused_with_the_remedy(prices):
    dataset = PanelDataset(
        {"train": ("2020-01-02", "2020-08-31"), "test": ("2020-01-02", "2020-01-31")},
        "wf_dagster.data.features.reversal",
        prices=prices,
    )
    with pytest.raises(DataError, match=r"segment train .*reversal_2.*Fillna"):
        SklearnModel().fit(dataset)
    model = SklearnModel()
    dataset.config(segments={**dataset.segments, "train": ("2020-03-02", "2020-08-31")})
    model.fit(dataset)
    with pytest.raises(DataError, match=r"segment test .*reversal_2.*Fillna"):
        model.predict(dataset)


def test_an_estimator_that_takes_missing_values_gets_them(prices):
    dataset = PanelDataset(
        {"train": ("2020-01-02", "2020-08-31"), "test": ("2020-11-02", None)},
        "wf_dagster.data.features.reversal",
        prices=prices,
    )
    model = SklearnModel("sklearn.ensemble.HistGradientBoostingRegressor", max_iter=3)
    model.fit(dataset)
    assert np.isfinite(model.predict(dataset)).all()


@pytest.mark.parametrize("model", [SklearnModel(), LightGBMModel()])
def test_a_model_that_was_not_fitted_says_so(dataset, model):
    with pytest.raises(DataError, match=r"not fitted yet: call fit\(dataset\)"):
        model.predict(dataset)


def test_lightgbm_stops_early_on_valid_and_not_without_it(dataset):
    stopped = LightGBMModel(num_boost_round=200, early_stopping_rounds=3, **SMALL)
    stopped.fit(dataset)
    assert 0 < stopped.booster.best_iteration < 200
    dataset.config(segments={k: v for k, v in SEGMENTS.items() if k != "valid"})
    whole = LightGBMModel(num_boost_round=20, early_stopping_rounds=3, **SMALL)
    whole.fit(dataset)
    assert whole.booster.current_iteration() == 20


def test_lightgbm_gives_the_same_model_for_any_number_of_threads(dataset):
    made = []
    for threads in (1, 2):
        model = LightGBMModel(num_boost_round=20, num_threads=threads, **SMALL)
        model.fit(dataset)
        made.append(model.predict(dataset))
    pd.testing.assert_series_equal(made[0], made[1], check_exact=True)


def test_lightgbm_takes_its_own_parameters(dataset):
    model = LightGBMModel(num_boost_round=3, loss="mae", learning_rate=0.3, **SMALL)
    model.fit(dataset)
    assert model.booster.params["objective"] == "mae"
    assert model.booster.params["learning_rate"] == 0.3


@pytest.mark.parametrize(
    "model",
    [SklearnModel("sklearn.linear_model.Ridge"), LightGBMModel(num_boost_round=3, **SMALL)],
)
def test_a_fitted_model_comes_back_from_a_recorder(dataset, model):
    model.fit(dataset)
    with R.start(experiment_name="models"):
        R.save_objects(**{"params.pkl": model})
        again = R.load_object("params.pkl")
    pd.testing.assert_series_equal(again.predict(dataset), model.predict(dataset))
