"""Segments that have sessions in common: Qlib's tests and its high-frequency file have such."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from tests.qlib.bridge_calls import initialise_qlib
from tests.qlib.qlib_tasks import lightgbm, seeded_template
from wf_dagster import R, RollingGen, TrainerR, task_generator

TEST = ("2020-03-02", "2020-04-30")
SEGMENTS = {
    "valid is train": {
        "train": ("2019-03-01", "2020-02-28"),
        "valid": ("2019-03-01", "2020-02-28"),
        "test": TEST,
    },
    "a shared day": {
        "train": ("2019-03-01", "2019-12-31"),
        "valid": ("2019-12-31", "2020-03-02"),
        "test": TEST,
    },
    "test inside train": {
        "train": ("2019-03-01", "2020-06-30"),
        "valid": ("2020-01-02", "2020-03-31"),
        "test": TEST,
    },
}


def qlib_rolls(template, step):
    from qlib.workflow.task.gen import RollingGen as QlibRollingGen
    from qlib.workflow.task.gen import task_generator as qlib_task_generator

    return qlib_task_generator(
        copy.deepcopy(template), QlibRollingGen(step=step, rtype=QlibRollingGen.ROLL_SD)
    )


def predict_by_qlib(task):
    from qlib.utils import init_instance_by_config

    task = copy.deepcopy(task)
    model, dataset = (init_instance_by_config(task[part]) for part in ("model", "dataset"))
    with R.start(experiment_name="by_qlib"):  # the model logs
        model.fit(dataset)
    return model.predict(dataset)


@pytest.mark.parametrize("name", SEGMENTS)
def test_rolls_are_those_of_qlib_and_so_are_their_predictions(name, seeded, monkeypatch, caplog):
    monkeypatch.setenv("WF_MAX_WORKERS", "1")
    initialise_qlib()
    template = seeded_template(lightgbm())
    template["dataset"]["kwargs"]["segments"] = SEGMENTS[name]
    rolls = task_generator(copy.deepcopy(template), RollingGen(step=30, rtype=RollingGen.ROLL_SD))
    by_qlib = qlib_rolls(template, 30)
    assert len(rolls) == len(by_qlib) >= 2
    recorders = TrainerR("overlap")(rolls)
    for task, recorder in zip(by_qlib, recorders, strict=True):
        wanted = predict_by_qlib(task)
        pred = recorder.load_object("pred.pkl")["score"]
        assert len(pred) == len(wanted) > 0
        np.testing.assert_array_equal(pred.reindex(wanted.index), wanted)
    assert sum("taken as they are" in record.getMessage() for record in caplog.records) == 1
