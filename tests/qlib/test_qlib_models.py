"""Qlib's models learn what they learn with Qlib, from one copy of the rows."""

from __future__ import annotations

import copy
import json
import os
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import psutil
import pytest
from threadpoolctl import threadpool_limits

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib, make_dataset, warm
from tests.qlib.provider import seeded_panel, write_provider
from tests.qlib.qlib_tasks import alpha, few_expressions, task
from wf_dagster import TrainerR
from wf_dagster.tasks import init_instance
from wf_dagster.training.parallel import limit_by_memory
from wf_dagster.training.roll_jobs import RollJob

FIT = ("2019-02-01", "2019-06-28")
SEGMENTS = {
    "train": FIT,
    "valid": ("2019-07-01", "2019-07-31"),
    "test": ("2019-08-01", "2019-09-30"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_provider(tmp_path_factory.mktemp("data") / "provider", seeded_panel(6, 220))


@pytest.fixture
def dataset(folder):
    """Makes the dataset of a handler that several rolls share."""

    def make(**changed):
        wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
        initialise_qlib()
        definition = _task(few_expressions("2019-02-01", "2019-09-30", FIT, **changed))
        warm(definition["dataset"], definition["dataset"])
        return make_dataset(definition["dataset"])

    return make


def _task(handler, segments=SEGMENTS):
    return task(_config(), handler, dict(segments))


def _config(**kwargs):
    return {
        "class": "LinearModel",
        "module_path": "qlib.contrib.model.linear",
        "kwargs": {"estimator": "ridge", "alpha": 0.5, **kwargs},
    }


def _fitted(fit, dataset, config, **arguments):
    model = init_instance(config, where="model")
    with threadpool_limits(1):
        fit(model, dataset, **arguments)
    return model


def _both(dataset, config, **arguments):
    from wf_dagster.qlib_bridge import model_fit

    here = _fitted(model_fit.fit, dataset, config, **arguments)
    by_qlib = _fitted(lambda m, d, **a: m.fit(d, **a), dataset, config, **arguments)
    return here, by_qlib


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("estimator", ["ols", "ridge", "lasso"])
def test_a_fit_leaves_the_data_of_the_handler_as_they_are(folder, estimator, intercept):
    from wf_dagster.qlib_bridge import model_fit

    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
    handler = few_expressions("2019-02-01", "2019-09-30", FIT, learn_processors=[])
    whole = {"train": (None, None), "test": SEGMENTS["test"]}
    definition = _task(handler, whole)
    initialise_qlib()
    filled = make_dataset(definition["dataset"])
    before = filled.handler._learn.copy()
    alpha = 0.0 if estimator == "ols" else 1e-4
    config = _config(estimator=estimator, alpha=alpha, fit_intercept=intercept)
    first, second = (_fitted(model_fit.fit, filled, config) for _ in range(2))
    pd.testing.assert_frame_equal(filled.handler._learn, before, check_exact=True)
    assert np.array_equal(first.coef_, second.coef_)


def _check(here, by_qlib, dataset):
    assert pickle.dumps(here) == pickle.dumps(by_qlib)
    assert here.predict(dataset).equals(by_qlib.predict(dataset))


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("estimator", ["ols", "ridge", "lasso", "nnls"])
@pytest.mark.parametrize("valid", [False, True])
def test_a_linear_model_learns_to_the_bit_what_it_learns_with_qlib(
    dataset, estimator, intercept, valid
):
    alpha = {"ridge": 0.5, "lasso": 1e-4}.get(estimator, 0.0)
    config = _config(estimator=estimator, alpha=alpha, fit_intercept=intercept, include_valid=valid)
    filled = dataset()
    _check(*_both(filled, config), filled)


def test_rows_that_lack_a_value_are_dropped(dataset):
    filled = dataset(infer_processors=[], learn_processors=[])
    rows = filled.prepare("train", col_set=["feature", "label"], data_key="learn")
    assert rows.isna().any(axis=1).any()
    _check(*_both(filled, _config()), filled)


def test_weights_of_a_reweighter_count(dataset):
    from qlib.data.dataset.weight import Reweighter

    class Rising(Reweighter):
        def __init__(self):
            pass

        def reweight(self, data):
            return data["label"].iloc[:, 0] * 0 + np.arange(1, len(data) + 1)

    filled = dataset()
    here, by_qlib = _both(filled, _config(), reweighter=Rising())
    _check(here, by_qlib, filled)
    plain, _ = _both(filled, _config())
    assert not np.array_equal(plain.coef_, here.coef_)


def test_a_plain_function_weighs_as_qlib_s_reweighter_does(dataset):
    from qlib.data.dataset.weight import Reweighter

    from wf_dagster.errors import DataError
    from wf_dagster.qlib_bridge import model_fit

    class Rising(Reweighter):
        def __init__(self):
            pass

        def reweight(self, data):
            return data["label"].iloc[:, 0] * 0 + np.arange(1, len(data) + 1)

    filled = dataset()
    model, by_qlib = (init_instance(_config(), where="model") for _ in range(2))
    model_fit.fit(model, filled, reweighter=lambda data: np.arange(1, len(data) + 1))
    by_qlib.fit(filled, reweighter=Rising())
    np.testing.assert_array_equal(model.coef_, by_qlib.coef_)
    with pytest.raises(DataError, match=r"reweighter <lambda> gave \d+ negative weights"):
        model_fit.fit(model, filled, reweighter=lambda data: -np.ones(len(data)))


def test_what_is_missing_is_said_as_qlib_says_it(dataset):
    filled = dataset()
    del filled.segments["train"]
    messages = []
    from wf_dagster.qlib_bridge import model_fit

    for fit in (model_fit.fit, lambda m, d: m.fit(d)):
        with pytest.raises(Exception) as raised:  # noqa: PT011  # whatever Qlib raises
            fit(init_instance(_config(), where="model"), filled)
        messages.append((type(raised.value), str(raised.value)))
    assert messages[0] == messages[1]


def test_a_fit_holds_one_copy_of_its_rows(tmp_path):
    from wf_dagster.qlib_bridge import model_fit

    folder = write_provider(tmp_path / "provider", seeded_panel(40, 420))
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
    initialise_qlib()
    train = ("2019-04-01", "2019-12-31")
    definition = _task(alpha("Alpha158", "2019-02-01", "2020-06-30", train), {"train": train})
    warm(definition["dataset"], definition["dataset"])
    filled = make_dataset(definition["dataset"])
    rows = filled.prepare("train", col_set="feature", data_key="learn")
    copy_ = rows.shape[0] * rows.shape[1] * 4
    assert set(rows.dtypes) == {np.dtype("float32")}
    del rows
    peaks = []
    for fit in (model_fit.fit, lambda m, d: m.fit(d)):
        model = init_instance(_config(), where="model")
        tracemalloc.start()
        try:
            fit(model, filled)
            peaks.append(tracemalloc.get_traced_memory()[1] / copy_)
        finally:
            tracemalloc.stop()
    assert 1.0 < peaks[0] < 1.3
    assert peaks[1] > 1.9


@pytest.mark.parametrize(
    ("sessions", "small", "workers"),
    [
        (100, 256 << 20, 4),  # little data
        (100, 0, 1),  # two rolls hold more than all rolls share
        (40, 0, 2),
        (10, 0, 4),  # there are no more
    ],
)
def test_rolls_of_large_data_are_few_at_a_time(folder, monkeypatch, sessions, small, workers):
    from wf_dagster.qlib_bridge import memory_limit

    monkeypatch.setattr(memory_limit, "_SMALL", small)
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
    days = pd.bdate_range("2019-01-02", periods=100).strftime("%Y-%m-%d")
    segments = {"train": (days[100 - sessions], days[-1]), "test": (days[0], days[-1])}
    handler = few_expressions(days[0], days[-1], (days[0], days[-1]))
    jobs = [RollJob("", "train", None, "", task=_task(handler, segments))] * 9
    assert limit_by_memory(4, jobs) == workers
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us", max_workers=4)
    assert limit_by_memory(4, jobs) == 4  # somebody has said so


@pytest.mark.slow
def test_a_roll_in_work_alone_leaves_no_process_behind(folder, monkeypatch):
    from wf_dagster.qlib_bridge import memory_limit

    monkeypatch.setattr(memory_limit, "_SMALL", 0)
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
    definition = _task(few_expressions("2019-02-01", "2019-09-30", FIT))
    before = set(psutil.Process().children(recursive=True))
    recorders = TrainerR("alone")([definition, copy.deepcopy(definition)])
    assert [recorder.status for recorder in recorders] == ["FINISHED", "FINISHED"]
    beats = [json.loads(recorder.list_tags()["wf_heartbeat"]) for recorder in recorders]
    assert {beat["pid"] for beat in beats} == {os.getpid()}
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [p for p in left if "forkserver" in " ".join(p.cmdline())]
