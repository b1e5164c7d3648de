"""Which label is learnt, and what estimators give: of one output or several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from tests.models.rows import Rows
from wf_dagster.errors import DataError, TaskError
from wf_dagster.models import LightGBMModel, SklearnModel


def two_labels(feature: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"y5": feature["a"], "y20": -2 * feature["b"]}, feature.index)


def fitted(data: Rows, estimator: Any = "sklearn.linear_model.Ridge", **kwargs: Any) -> Any:
    model = SklearnModel(estimator, **kwargs)
    model.fit(data)
    return model


@pytest.mark.parametrize("wanted", ["y20", 1, -1])
def test_the_label_that_is_asked_for_is_learnt(wanted):
    data = Rows(two_labels)
    features, labels = data.learned()
    by_hand = Ridge().fit(features, labels[:, 1]).predict(data.asked())
    scores = fitted(data, label_column=wanted).predict(data)
    np.testing.assert_array_equal(scores.to_numpy(), by_hand)
    trees = LightGBMModel(num_boost_round=20, label_column=wanted, min_data_in_leaf=5)
    trees.fit(data)
    assert trees.predict(data).corr(pd.Series(-data.asked()[:, 1], scores.index)) > 0.8


def test_the_first_of_several_labels_is_learnt_with_a_word(caplog):
    data = Rows(two_labels)
    features, labels = data.learned()
    by_hand = Ridge().fit(features, labels[:, 0]).predict(data.asked())
    np.testing.assert_array_equal(fitted(data).predict(data).to_numpy(), by_hand)
    assert "the labels are ['y5', 'y20']: the first of them is predicted" in caplog.text


def test_a_label_that_is_not_there_is_refused():
    with pytest.raises(TaskError, match=r"label_column is 'y9': the labels are \['y5', 'y20'\]"):
        fitted(Rows(two_labels), label_column="y9")


def test_a_series_of_labels_is_taken():
    data = Rows(lambda f: f["a"])

    class Flat(Rows):
        def prepare(self, segment: str, col_set: Any = "feature", data_key: str = "infer") -> Any:
            feature, label = (data.prepare(segment, group) for group in ("feature", "label"))
            return (
                feature if col_set == "feature" else Groups(feature=feature, label=label["label"])
            )

    class Groups(dict):  # type: ignore[type-arg]
        """Looked up as a frame of two levels is."""

    scores = fitted(Flat(lambda f: f["a"])).predict(data)
    features, labels = data.learned()
    by_hand = Ridge().fit(features, labels[:, 0]).predict(data.asked())
    np.testing.assert_array_equal(scores.to_numpy(), by_hand)


def test_all_labels_are_learnt_together_and_one_is_the_score():
    data = Rows(two_labels)
    features, labels = data.learned()
    plain = RandomForestRegressor(5, random_state=0).fit(features, labels)
    scores = fitted(
        data,
        "sklearn.ensemble.RandomForestRegressor",
        label_column="y20",
        all_labels=True,
        n_estimators=5,
        random_state=0,
    ).predict(data)
    np.testing.assert_array_equal(scores.to_numpy(), plain.predict(data.asked())[:, 1])


class Both:
    """A scikit-learn estimator that knows nothing but several outputs."""

    def __new__(cls) -> Any:
        from sklearn.multioutput import MultiOutputRegressor

        return MultiOutputRegressor(Ridge())

    def fit(self) -> None: ...

    def predict(self) -> None: ...


class BothClasses(Both):
    def __new__(cls) -> Any:
        from sklearn.multioutput import MultiOutputClassifier

        return MultiOutputClassifier(LogisticRegression())


def test_an_estimator_of_several_outputs_only_learns_all_by_itself():
    data = Rows(two_labels)
    features, labels = data.learned()
    scores = fitted(data, Both, label_column="y20").predict(data)
    by_hand = Ridge().fit(features, labels[:, 1]).predict(data.asked())
    np.testing.assert_allclose(scores.to_numpy(), by_hand)


def test_a_classifier_of_several_outputs_gives_the_probability_of_the_one_asked_for():
    data = Rows(lambda f: (two_labels(f) > 0).astype("float64"))
    features, labels = data.learned()
    plain = LogisticRegression().fit(features, labels[:, 1])
    scores = fitted(data, BothClasses, label_column="y20").predict(data)
    np.testing.assert_allclose(scores.to_numpy(), plain.predict_proba(data.asked())[:, 1])


class Net:
    """Gives as many columns as it is told, like a wrapped network."""

    def __init__(self, columns: int = 1, what: str = "numbers") -> None:
        self.columns, self.what = columns, what

    def fit(self, rows: Any, target: Any) -> None:
        assert target.shape == (len(rows),)

    def predict(self, rows: Any) -> Any:
        if self.what == "short":
            return rows[:-1, 0]
        if self.what == "texts":
            return np.array(["up"] * len(rows))
        return np.repeat(rows[:, :1], self.columns, axis=1).astype("float32")


def test_a_net_that_gives_one_column_is_flattened():
    data = Rows(lambda f: f["a"])
    scores = fitted(data, Net).predict(data)
    np.testing.assert_array_equal(scores.to_numpy(), data.asked()[:, 0].astype("float32"))
    assert scores.dtype == "float64"


NETS: dict[str, tuple[dict[str, Any], str]] = {
    "columns": ({"columns": 3}, r"Net\.predict gave an array of shape \(20, 3\) .*all_labels=True"),
    "short": ({"what": "short"}, r"Net\.predict gave an array of shape \(19,\) for 20 rows"),
    "texts": ({"what": "texts"}, r"Net\.predict gave a ndarray that holds no plain numbers"),
}


@pytest.mark.parametrize("case", NETS)
def test_what_is_no_number_a_row_is_refused_by_name(case):
    kwargs, message = NETS[case]
    data = Rows(lambda f: f["a"])
    model = fitted(data, Net, **kwargs)
    with pytest.raises(DataError, match=message):
        model.predict(data)


def test_options_that_are_not_used_leave_the_state_of_a_ready_model_alone():
    # a ready model counts in the fingerprint of its task with this state
    assert set(vars(SklearnModel())) == {"estimator", "_fitted"}
    assert set(vars(LightGBMModel())) == {
        "num_boost_round", "early_stopping_rounds", "params", "booster",
    }  # fmt: skip
