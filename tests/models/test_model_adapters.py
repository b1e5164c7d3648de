from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from tests.data.made_prices import made_prices
from wf_dagster.data import PanelDataset
from wf_dagster.errors import DataError, TaskError
from wf_dagster.models import LightGBMModel, SklearnModel
from wf_dagster.tracking import R

PRICES = made_prices(sessions=160, instruments=8)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
SEGMENTS = {
    "train": (DAYS[20], DAYS[90]),
    "valid": (DAYS[95], DAYS[120]),
    "test": (DAYS[125], None),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    PRICES.to_parquet(tmp_path / "prices.parquet")
    return tmp_path / "prices.parquet"


def dataset(path: Path, *without: str, **options: Any) -> PanelDataset:
    return PanelDataset(
        **{
            "segments": {k: v for k, v in SEGMENTS.items() if k not in without},
            "features": {
                "func": "wf_dagster.data.features.price_features",
                "kwargs": {"windows": [5, 10]},
            },
            "label": {"func": "wf_dagster.data.labels.forward_return", "kwargs": {"horizon": 2}},
            "prices": str(path),
            "infer_processors": ["CSZScoreNorm"],
            **options,
        }
    )


def gaps(path: Path, **options: Any) -> PanelDataset:
    """Its train segment starts before the longer feature window is full."""
    return dataset(path, segments={**SEGMENTS, "train": (DAYS[7], DAYS[90])}, **options)


def save_and_load(model: Any) -> Any:
    """The model as a recorder gives it back, without trusting anything."""
    with R.start(experiment_name="models"):
        recorder = R.get_recorder()
        recorder.save_objects(**{"params.pkl": model})
    return recorder.load_object("params.pkl")


# ---- scikit-learn

ESTIMATORS: dict[str, dict[str, Any]] = {
    "sklearn.linear_model.Ridge": {"alpha": 2.0},
    "sklearn.linear_model.LassoCV": {"cv": 3},
    "sklearn.ensemble.RandomForestRegressor": {"n_estimators": 5, "random_state": 0},
    "sklearn.ensemble.HistGradientBoostingRegressor": {"max_iter": 5},
    "sklearn.neural_network.MLPRegressor": {"max_iter": 300, "random_state": 0},
    "sklearn.neighbors.KNeighborsRegressor": {"n_neighbors": 3, "algorithm": "brute"},
    "sklearn.svm.SVR": {},
    "lightgbm.LGBMRegressor": {"n_estimators": 5, "verbosity": -1},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_any_estimator_trains_predicts_and_survives_a_recorder(path: Path, estimator: str) -> None:
    model, data = SklearnModel(estimator, **ESTIMATORS[estimator]), dataset(path)
    model.fit(data)
    scores = model.predict(data)
    assert scores.name == "score"
    assert scores.index.equals(data.prepare("test").index)
    assert scores.nunique() > 3
    pd.testing.assert_series_equal(save_and_load(model).predict(data), scores)


def test_it_is_the_estimator_fitted_on_the_known_labels_of_train(path: Path) -> None:
    late = dataset(path, segments={"train": (DAYS[100], None), "test": (DAYS[125], None)})
    frame = late.prepare("train")
    labelled = frame[frame[("label", "label")].notna()]
    assert len(frame) - len(labelled) == 3 * 8  # lag + horizon sessions of 8 instruments
    plain = Ridge(alpha=2.0).fit(labelled["feature"].to_numpy(), labelled["label"].to_numpy()[:, 0])
    model = SklearnModel(alpha=2.0)
    model.fit(late)
    wanted = plain.predict(late.prepare("test", "feature").to_numpy())
    np.testing.assert_array_equal(model.predict(late).to_numpy(), wanted)


def test_a_segment_or_a_slice_is_predicted(path: Path) -> None:
    model, data = SklearnModel(), dataset(path)
    model.fit(data)
    whole = model.predict(data, slice(DAYS[95], None))
    pd.testing.assert_series_equal(model.predict(data, "valid"), whole.loc[: DAYS[120]])


def test_the_last_days_are_predicted_though_their_labels_are_unknown(path: Path) -> None:
    model, data = SklearnModel(), dataset(path, learn_processors=["DropnaLabel"])
    model.fit(data)
    assert model.predict(data).index.get_level_values("datetime").max() == DAYS[-1]


WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "params": ("sklearn.linear_model.Ridge", {"alhpa": 1}, "does not take these: .*'alhpa'"),
    "name": ("sklearn.linear_model.Rigde", {}, "did you mean 'Ridge'"),
    "module": ("sklearm.linear_model.Ridge", {}, "module 'sklearm.linear_model' cannot be"),
    "no path": ("Ridge", {}, "does not say where it is"),
    "object": (17, {}, "is 17: use the dotted path of a class or of a function that makes"),
    "parameter of an object": (Ridge(), {"alhpa": 1}, "Ridge cannot be used: Invalid parameter"),
    "no estimator": ("sklearn.preprocessing.StandardScaler", {}, "has no fit and predict"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_estimator_is_one_clear_error(case: str) -> None:
    estimator, params, message = WRONG[case]
    with pytest.raises(TaskError, match=rf"model\.kwargs.*{message}"):
        SklearnModel(estimator, **params)


def test_a_wrong_value_of_a_parameter_is_said_by_the_estimator(path: Path) -> None:
    with pytest.raises(ValueError, match="'alpha' parameter of Ridge must be") as caught:
        SklearnModel(alpha="much").fit(dataset(path))
    assert not isinstance(caught.value, DataError)


def test_features_without_a_value_are_named_with_the_remedy(path: Path) -> None:
    with pytest.raises(DataError) as caught:
        SklearnModel().fit(gaps(path))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("segment train has features without a finite value")
    assert "momentum_10 (24 of 672 rows), volatility_10 (24 of 672 rows); put" in message
    assert "{'class': 'Fillna'} last in infer_processors" in message


def test_the_remedy_named_works(path: Path) -> None:
    data = gaps(path, infer_processors=["CSZScoreNorm", {"class": "Fillna"}])
    model = SklearnModel()
    model.fit(data)
    assert model.predict(data, "train").notna().all()


def test_features_without_a_value_are_named_when_predicting(path: Path) -> None:
    model, data = SklearnModel(), dataset(path)
    model.fit(data)
    with pytest.raises(DataError, match=r"features without .*: momentum_10 \(8 of 8 rows\), vol"):
        model.predict(data, slice(DAYS[9], DAYS[9]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SklearnModel("sklearn.ensemble.HistGradientBoostingRegressor", max_iter=3),
        lambda: LightGBMModel(num_boost_round=3),
    ],
    ids=["sklearn", "lightgbm"],
)
def test_a_model_that_takes_gaps_gets_them(path: Path, make: Any) -> None:
    model, data = make(), gaps(path)
    model.fit(data)
    assert model.predict(data, slice(DAYS[7], DAYS[9])).notna().all()


@pytest.mark.parametrize("make", [SklearnModel, LightGBMModel])
def test_a_model_that_was_not_fitted_says_so(path: Path, make: Any) -> None:
    with pytest.raises(DataError, match=r"not fitted yet: call fit\(dataset\) first"):
        make().predict(dataset(path))


@pytest.mark.parametrize("make", [SklearnModel, LightGBMModel])
def test_a_train_segment_without_labels_is_an_error(path: Path, make: Any) -> None:
    late = dataset(path, segments={"train": (DAYS[-2], None)})
    with pytest.raises(DataError, match="segment train has no row with a label: it may be too clo"):
        make().fit(late)


# ---- LightGBM

SMALL = {"min_data_in_leaf": 5, "num_leaves": 7, "num_threads": 1}


def test_it_stops_early_on_valid(path: Path) -> None:
    data = dataset(path)
    stopped = LightGBMModel(num_boost_round=200, early_stopping_rounds=5, **SMALL)
    stopped.fit(data)
    assert stopped.booster is not None
    best = stopped.booster.best_iteration
    assert 0 < best < 200
    # it predicts with the trees up to the best one only
    short = LightGBMModel(num_boost_round=best, early_stopping_rounds=None, **SMALL)
    short.fit(data)
    pd.testing.assert_series_equal(stopped.predict(data), short.predict(data))
    pd.testing.assert_series_equal(save_and_load(stopped).predict(data), stopped.predict(data))


@pytest.mark.parametrize(
    ("without", "rounds"), [(["valid"], 5), ([], None), ([], 0)], ids=["no valid", "None", "0"]
)
def test_it_grows_all_trees_when_it_is_not_to_stop(path: Path, without: Any, rounds: Any) -> None:
    model = LightGBMModel(num_boost_round=30, early_stopping_rounds=rounds, **SMALL)
    data = dataset(path, *without)
    model.fit(data)
    assert model.booster is not None
    assert model.booster.current_iteration() == 30
    assert model.predict(data).notna().all()


def test_valid_is_not_learned_from(path: Path) -> None:
    models = []
    for without in ([], ["valid"]):
        model = LightGBMModel(num_boost_round=10, early_stopping_rounds=None, **SMALL)
        model.fit(dataset(path, *without))
        models.append(model.predict(dataset(path)))
    pd.testing.assert_series_equal(*models)


def test_the_number_of_threads_does_not_change_the_model(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, scores = dataset(path), []
    random: dict[str, Any] = {"bagging_fraction": 0.7, "bagging_freq": 1, "feature_fraction": 0.7}
    for threads in ("1", "2", "3,1", ""):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        model = LightGBMModel(num_boost_round=20, min_data_in_leaf=5, **random)
        model.fit(data)
        assert model.booster is not None
        assert model.booster.params.get("num_threads") == (int(threads[0]) if threads else None)
        scores.append(model.predict(data))
    for other in scores[1:]:
        pd.testing.assert_series_equal(scores[0], other, check_exact=True)


def test_parameters_reach_lightgbm(path: Path) -> None:
    model = LightGBMModel(num_boost_round=3, loss="mae", learning_rate=0.5, max_depth=1, **SMALL)
    model.fit(dataset(path, "valid"))
    assert model.booster is not None
    text = model.booster.model_to_string()
    for line in ("[objective: regression_l1]", "[learning_rate: 0.5]", "[max_depth: 1]"):
        assert line in text
    assert all(tree["num_leaves"] <= 2 for tree in model.booster.dump_model()["tree_info"])


@pytest.mark.parametrize("wrong", [{"loss": "nonsense"}, {"num_leaves": 1}, {"max_bin": "many"}])
def test_a_parameter_that_lightgbm_refuses_is_one_clear_error(path: Path, wrong: Any) -> None:
    with pytest.raises(TaskError, match=r"model\.kwargs: LightGBM refuses"):
        LightGBMModel(num_boost_round=3, **wrong).fit(dataset(path))
