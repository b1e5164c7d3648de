"""Estimators by factory, ready ones, and pipelines whose parts are described."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Lasso, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.support import task_of
from wf_dagster.errors import TaskError
from wf_dagster.models import SklearnModel
from wf_dagster.tasks import fingerprint

SCALED = {
    "class": "sklearn.pipeline.Pipeline",
    "kwargs": {
        "steps": [
            ["scale", {"class": "StandardScaler", "module_path": "sklearn.preprocessing"}],
            ["ridge", {"class": "sklearn.linear_model.Ridge", "kwargs": {"alpha": 3.0}}],
        ]
    },
}


def scaled_ridge(alpha: float = 1.0) -> Pipeline:
    """A factory."""
    return make_pipeline(StandardScaler(), Ridge(alpha=alpha))


class Rows:
    """A dataset of some rows."""

    def __init__(self) -> None:
        numbers = np.random.default_rng(7)
        days = pd.bdate_range("2020-01-01", periods=20, name="datetime")
        index = pd.MultiIndex.from_product([days, ["A", "B"]], names=["datetime", "instrument"])
        features = pd.DataFrame(numbers.normal(size=(40, 2)), index, ["x", "y"])
        label = features["x"].mul(2).add(numbers.normal(size=40)).to_frame("label")
        self.frame = pd.concat({"feature": features, "label": label}, axis=1)

    def prepare(self, segment: Any, col_set: Any = None, data_key: str = "infer") -> Any:
        """The rows, whatever segment is asked for."""
        return self.frame if col_set is None else self.frame[col_set]


@pytest.mark.parametrize(
    "model",
    [
        SklearnModel(scaled_ridge, alpha=3.0),
        SklearnModel("tests.models.test_estimators.scaled_ridge", alpha=3.0),
        SklearnModel({"func": "tests.models.test_estimators.scaled_ridge"}, alpha=3.0),
        SklearnModel(scaled_ridge(3.0)),
        SklearnModel(scaled_ridge(), ridge__alpha=3.0),
        SklearnModel(SCALED),
        SklearnModel(
            "sklearn.pipeline.Pipeline",
            steps=[("scale", StandardScaler()), ("ridge", Ridge(alpha=3.0))],
        ),
    ],
)
def test_one_pipeline_in_all_its_spellings(model: SklearnModel) -> None:
    rows = Rows()
    model.fit(rows)
    features = rows.frame["feature"].to_numpy()
    centred = (features - features.mean(axis=0)) / features.std(axis=0)
    labels = rows.frame["label"]["label"].to_numpy()
    # ridge by its normal equations, the intercept not penalised
    weights = np.linalg.solve(centred.T @ centred + 3.0 * np.eye(2), centred.T @ labels)
    expected = centred @ weights + labels.mean()
    np.testing.assert_allclose(model.predict(rows).to_numpy(), expected, rtol=1e-10)


def test_a_ready_estimator_stays_as_it_was() -> None:
    ready = scaled_ridge()
    SklearnModel(ready, ridge__alpha=2.0).fit(Rows())
    assert ready[-1].alpha == 1.0
    assert not hasattr(ready[-1], "coef_")


def task_with(estimator: Any) -> dict[str, Any]:
    task = copy.deepcopy(task_of("2020-03-02"))
    task["model"]["kwargs"] = {"estimator": estimator}
    return task


def test_the_fingerprint_of_a_ready_estimator_is_what_it_was_told(monkeypatch: Any) -> None:
    told = fingerprint(task_with(scaled_ridge(3.0)))
    fitted = scaled_ridge(3.0).fit(np.eye(3), [1.0, 2.0, 3.0])
    assert fingerprint(task_with(fitted)) == told
    assert fingerprint(task_with(scaled_ridge(4.0))) != told
    assert fingerprint(task_with(make_pipeline(StandardScaler(), Lasso(alpha=3.0)))) != told
    monkeypatch.setattr("sklearn.base.__version__", "99.0")  # it is part of a state
    assert fingerprint(task_with(scaled_ridge(3.0))) == told
    code = (
        "from tests.models.test_estimators import *\n"
        "print(fingerprint(task_with(scaled_ridge(3.0))))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.split()[-1] == told


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (StandardScaler(), "estimator: StandardScaler has no fit and predict"),
        ({"class": "sklearn.linear_model.Rigde"}, "has no 'Rigde'; did you mean 'Ridge'"),
        ({"class": Ridge, "kwargs": {"alhpa": 1}}, "Ridge cannot be made from these kwargs"),
        ([Ridge()], r"is \[Ridge\(\)\]: use the dotted path of a class or of a function"),
    ],
)
def test_what_is_no_estimator_is_refused(estimator: Any, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        SklearnModel(estimator)
