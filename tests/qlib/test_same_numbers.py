"""The same numbers as Qlib 0.9.7 gives on the same data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.by_qlib import ENSEMBLE, GRID, QUICK
from tests.qlib.qlib_tasks import QUICK_ROLLINGS, SLOW_ROLLINGS
from wf_dagster import (
    AverageEnsemble,
    R,
    RecorderCollector,
    RollingEnsemble,
    RollingGen,
    TrainerR,
    task_generator,
)


def assert_same(ours, theirs, tolerance=1e-6):
    assert ours.index.equals(theirs.index)
    assert list(ours.index.names) == list(theirs.index.names)
    np.testing.assert_allclose(
        np.asarray(ours, dtype="float64").ravel(),
        np.asarray(theirs, dtype="float64").ravel(),
        rtol=0,
        atol=tolerance,
    )


def as_dates(segments):
    return {
        name: tuple(None if end is None else pd.Timestamp(end) for end in pair)
        for name, pair in segments.items()
    }


@pytest.mark.parametrize("place", range(len(GRID)))
def test_rolls_have_the_segments_that_qlib_gives_them(place, answers, seeded):
    step, rtype, trunc = GRID[place]
    template = QUICK_ROLLINGS["seeded_ridge_sliding"][1]
    tasks = task_generator(template, RollingGen(step, rtype, trunc_days=trunc))
    ours = [as_dates(task["dataset"]["kwargs"]["segments"]) for task in tasks]
    assert ours == [as_dates(segments) for segments in answers["segments"][place]]
    assert len(ours) > 2


@pytest.mark.parametrize("name", QUICK_ROLLINGS)
def test_rolls_trained_in_worker_processes_predict_what_qlib_predicts(
    name, answers, qlib_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rolls = 4 if name == "seeded_lightgbm_few" else 20
    assert_rolls_are_qlibs(name, QUICK_ROLLINGS[name], answers[name], rolls, qlib_folder)
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_ROLLINGS)
def test_more_rolls_trained_in_worker_processes_predict_what_qlib_predicts(
    name, slow_answers, qlib_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    rolls = 4 if "alpha" in name else 20
    assert_rolls_are_qlibs(name, SLOW_ROLLINGS[name], slow_answers[name], rolls, qlib_folder)
    assert not (tmp_path / "mlruns").exists()


def assert_rolls_are_qlibs(name, rolling, theirs, at_least, qlib_folder):
    panel, template, step, rtype = rolling
    wf_dagster.init(qlib_provider_uri=str(qlib_folder / panel), qlib_region="us", max_workers=2)
    tasks = task_generator(template, RollingGen(step=step, rtype=rtype))
    recorders = TrainerR(name)(tasks)
    assert len(recorders) == len(theirs) >= at_least
    for recorder, their in zip(recorders, theirs, strict=True):
        assert_same(recorder.load_object("pred.pkl"), their["pred"])
        pd.testing.assert_frame_equal(recorder.load_object("label.pkl"), their["label"])
        assert_same(recorder.load_object("sig_analysis/ic.pkl"), their["ic"])
        assert_same(recorder.load_object("sig_analysis/ric.pkl"), their["ric"])
        metrics = recorder.list_metrics()
        for metric, series in (("IC", their["ic"]), ("Rank IC", their["ric"])):
            assert metrics[metric] == pytest.approx(series.mean(), abs=1e-6)
    if name == "seeded_ridge_sliding":  # the very same numbers
        assert recorders[0].load_object("pred.pkl").equals(theirs[0]["pred"])


def test_ensembles_join_and_average_as_qlibs_do(answers):
    joined = {}
    for name in ENSEMBLE:
        preds = {number: roll["pred"] for number, roll in enumerate(answers[name])}
        joined[name] = RollingEnsemble()(preds)
        assert_same(joined[name], answers["ensembles"][name], 0)
    assert_same(AverageEnsemble()(joined), answers["ensembles"]["average"])


def test_the_metrics_of_a_recorder_are_those_that_qlib_logs(answers, seeded):
    template, rtype = QUICK_ROLLINGS["seeded_ridge_sliding"][1], "sliding"
    recorders = TrainerR("metrics")(task_generator(template, RollingGen(70, rtype)))
    theirs = answers["trained_by_qlib"]
    assert len(recorders) == len(theirs) == 3
    for recorder, their in zip(recorders, theirs, strict=True):
        assert recorder.load_object("pred.pkl").equals(their["pred"])
        logged = recorder.list_metrics()
        assert set(their["metrics"]) == set(logged) - {"fit_seconds"}
        for metric, value in their["metrics"].items():
            assert logged[metric] == pytest.approx(value, abs=1e-6), metric


def test_recorders_that_qlib_wrote_are_read_and_collected(answers, qlib_folder):
    wf_dagster.init(
        tracking_uri=f"sqlite:///{qlib_folder}/{QUICK}_seeded.db",
        qlib_provider_uri=str(qlib_folder / "seeded"),
    )
    name = "trained_by_qlib"
    collector = RecorderCollector(
        name,
        rec_key_func=lambda rec: str(
            rec.load_object("task")["dataset"]["kwargs"]["segments"]["test"]
        ),
        artifacts_path={"pred": "pred.pkl", "label": "label.pkl"},
    )
    collected = collector()
    assert len(collected["pred"]) == len(answers[name])
    by_start = {frame.index[0][0]: frame for frame in collected["pred"].values()}
    for roll in answers[name]:
        pd.testing.assert_frame_equal(by_start[roll["pred"].index[0][0]], roll["pred"])
    recorder = next(iter(R.list_recorders(experiment_name=name).values()))
    model, dataset = recorder.load_object("params.pkl"), recorder.load_object("dataset")
    dataset.setup_data(handler_kwargs={"init_type": "load_state"})
    np.testing.assert_allclose(
        model.predict(dataset).to_numpy(), recorder.load_object("pred.pkl")["score"].to_numpy()
    )
