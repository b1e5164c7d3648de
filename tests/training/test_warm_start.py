"""A roll whose model starts from the fitted model of the roll before."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import task_of
from wf_dagster import (
    DelayTrainerR,
    RollingGen,
    Rolls,
    TrainerR,
    TrainerRM,
    fingerprint,
    task_train,
)
from wf_dagster.errors import TaskError, TrainingError
from wf_dagster.tracking import find_recorders
from wf_dagster.training import train_rolls

LIGHTGBM = {
    "class": "LightGBMModel",
    "module_path": "wf_dagster.models",
    "kwargs": {"num_boost_round": 5, "num_leaves": 4},
}
SGD = {
    "class": "SklearnModel",
    "module_path": "wf_dagster.models",
    "kwargs": {
        "estimator": "sklearn.linear_model.SGDRegressor",
        "max_iter": 1,
        "tol": None,
        "shuffle": False,
        "eta0": 1e-4,
    },
}


def _template(model):
    template = task_of("2020-01-01")
    template["model"] = model
    template["dataset"]["kwargs"]["segments"]["test"] = ("2020-01-01", "2020-03-31")
    fill = {"class": "Fillna", "module_path": "wf_dagster.data.processors", "kwargs": {}}
    template["dataset"]["kwargs"]["infer_processors"].append(fill)
    template["dataset"]["kwargs"]["learn_processors"] = [
        {"class": "DropnaLabel", "module_path": "wf_dagster.data.processors", "kwargs": {}}
    ]
    return template


def _rolls(model, warm_start=True):
    generator = RollingGen("month", rtype=RollingGen.ROLL_SD, warm_start=warm_start)
    return list(Rolls.from_template(_template(model), generator))


def test_each_roll_names_the_one_before():
    tasks = [roll.task for roll in _rolls(LIGHTGBM)]
    assert "warm_start" not in tasks[0]
    assert [task["warm_start"] for task in tasks[1:]] == [fingerprint(t) for t in tasks[:-1]]
    assert all("warm_start" not in roll.task for roll in _rolls(LIGHTGBM, warm_start=False))


@pytest.mark.parametrize("workers", [1, 2])
def test_trees_are_kept_and_more_are_added(workers):
    outcomes = list(train_rolls(_rolls(LIGHTGBM), "warm", max_workers=workers))
    assert [outcome.error for outcome in outcomes] == [None] * 3
    trees = {
        recorder.list_tags()["roll"]: recorder.load_object("params.pkl").booster.num_trees()
        for recorder in find_recorders("warm")
    }
    assert trees == {"2020-01-01": 5, "2020-02-01": 10, "2020-03-01": 15}


def test_weights_go_on_from_where_they_were():
    list(train_rolls(_rolls(SGD), "warm", max_workers=1))
    list(train_rolls(_rolls(SGD, warm_start=False), "cold", max_workers=1))

    def weights(experiment):
        return {
            recorder.list_tags()["roll"]: recorder.load_object("params.pkl").estimator.coef_
            for recorder in find_recorders(experiment)
        }

    warm, cold = weights("warm"), weights("cold")
    assert np.array_equal(warm["2020-01-01"], cold["2020-01-01"])
    assert np.linalg.norm(warm["2020-03-01"]) > 1.5 * np.linalg.norm(cold["2020-03-01"])


def test_a_roll_without_the_one_before_says_which_is_missing():
    roll = _rolls(LIGHTGBM)[1]
    with pytest.raises(TrainingError, match="train the roll before it first"):
        task_train(roll.task, "warm")


def test_what_follows_a_roll_that_failed_fails_and_says_why():
    rolls = _rolls(LIGHTGBM)
    rolls[0].task["model"] = {"class": "Misbehaving", "module_path": "tests.support"}
    rolls[0].task["model"]["kwargs"] = {"how": "raise"}
    outcomes = {o.key: o for o in train_rolls(rolls, "warm", max_workers=2)}
    assert "no luck" in outcomes["2020-01-01"].error
    assert "was not trained" in outcomes["2020-02-01"].error


def test_a_model_that_cannot_go_on_says_so():
    ridge = {"class": "SklearnModel", "module_path": "wf_dagster.models"}
    first, second, _ = _rolls(ridge)
    task_train(first.task, "warm")
    with pytest.raises(TaskError, match="Ridge cannot go on from a fitted model"):
        task_train(second.task, "warm")


@pytest.mark.parametrize("trainer", [TrainerR, DelayTrainerR])
def test_trainers_keep_the_order(trainer):
    recorders = trainer("warm")([roll.task for roll in _rolls(LIGHTGBM)])
    assert [r.load_object("params.pkl").booster.num_trees() for r in recorders] == [5, 10, 15]


def test_the_pool_refuses_what_workers_cannot_share():
    with pytest.raises(TaskError, match="warm_start"):
        TrainerRM("warm").train([roll.task for roll in _rolls(LIGHTGBM)])
