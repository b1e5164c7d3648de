"""Drift of scores: it is found, chance is not taken for it, and the reference sees no later day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from tests.support import task_of
from wf_dagster.calendars import default_calendar
from wf_dagster.errors import RecordError
from wf_dagster.online.drift import Reference, score_drift
from wf_dagster.online.inspection import REFERENCE, Inspection
from wf_dagster.settings import replayed
from wf_dagster.tasks import RollingGen, Rolls
from wf_dagster.training import task_train

RNG = np.random.default_rng(7)
TRAIN = RNG.normal(size=20_000)


def _pred(draws, sessions=20):
    names = [f"S{n}" for n in range(len(draws) // sessions)]
    rows = pd.MultiIndex.from_product(
        [pd.bdate_range("2024-01-02", periods=sessions), names], names=["datetime", "instrument"]
    )
    return pd.DataFrame({"score": draws}, index=rows)


def test_the_same_distribution_passes_and_a_shifted_one_does_not():
    reference = Reference.of(TRAIN)
    same = score_drift(_pred(RNG.normal(size=2000)), reference)
    assert same.passed
    assert same.numbers["psi"] < 0.03
    for moved in (RNG.normal(1.0, 1, 2000), RNG.normal(0, 0.4, 2000)):
        found = score_drift(_pred(moved), reference)
        assert not found.passed
        assert found.numbers["psi"] > 0.25


def test_psi_is_that_of_the_definition():
    reference = Reference.of(TRAIN)
    moved = RNG.normal(0.5, 1, 40_000)
    edges = np.quantile(TRAIN, np.linspace(0, 1, 11)[1:-1])
    now = np.histogram(moved, [-np.inf, *edges, np.inf])[0] / len(moved)
    expected = np.sum((now - 0.1) * np.log(now / 0.1))
    assert score_drift(_pred(moved), reference).numbers["psi"] == pytest.approx(expected, abs=2e-3)


def test_ks_is_that_of_the_samples_to_one_step_of_the_quantiles():
    moved = RNG.normal(0.3, 1.2, 4000)
    found = score_drift(_pred(moved), Reference.of(TRAIN))
    assert found.numbers["ks"] == pytest.approx(ks_2samp(moved, TRAIN).statistic, abs=0.006)


def test_scores_with_ties_are_their_own_reference():
    steps = RNG.choice([-1.0, 0.0, 0.0, 0.0, 2.0], size=5000)
    found = score_drift(_pred(steps), Reference.of(steps))
    assert found.passed
    assert found.numbers["psi"] == pytest.approx(0, abs=1e-6)
    assert found.numbers["ks"] == pytest.approx(0, abs=0.006)
    constant = Reference.of(np.zeros(100))
    assert score_drift(_pred(np.zeros(400)), constant).passed
    assert not score_drift(_pred(np.ones(400)), constant).passed


def test_a_first_day_of_twenty_instruments_is_no_drift_by_chance():
    reference = Reference.of(TRAIN)
    days = [_pred(RNG.normal(size=20), sessions=1) for _ in range(500)]
    found = [score_drift(day, reference) for day in days]
    assert sum(one.numbers["psi"] > 0.25 for one in found) > 100  # the plain limit cries wolf
    assert sum(not one.passed for one in found) <= 3
    assert not score_drift(_pred(RNG.normal(3, 1, 20), sessions=1), reference).passed


def test_only_the_latest_sessions_count():
    drifted_before = np.concatenate([RNG.normal(3, 1, 2000), RNG.normal(size=2000)])
    pred = _pred(drifted_before, sessions=40)
    assert score_drift(pred, Reference.of(TRAIN), sessions=20).passed
    assert not score_drift(pred, Reference.of(TRAIN), sessions=40).passed


def test_a_reference_survives_being_kept():
    reference = Reference.of(TRAIN)
    assert Reference.from_json(reference.to_json()) == reference
    assert len(reference.to_json()) < 8000
    with pytest.raises(ValueError, match="no distribution of scores"):
        Reference.from_json("{}")
    with pytest.raises(RecordError, match="no finite score"):
        Reference.of([np.nan])


def _rolls():
    return Rolls.from_template(task_of("2019-03-01"), RollingGen("month"), name="demo")


def test_the_reference_of_a_recorder_is_its_train_segment_and_made_once(monkeypatch):
    rolls = _rolls()
    recorder = task_train(rolls.resolve("2019-03-01").task, "demo")
    (one,) = Inspection("demo", rolls, default_calendar()).of_rolls(["2019-03-01"])
    reference = one.reference()
    dataset, model = recorder.load_object("dataset"), recorder.load_object("params.pkl")
    assert reference == Reference.of(model.predict(dataset, "train"))
    assert reference != Reference.of(model.predict(dataset, "test"))
    assert recorder.load_object(REFERENCE, raw="bytes").decode() == reference.to_json()
    recorder.save_objects(**{"params.pkl": None})  # now it can only come from what was kept
    (again,) = Inspection("demo", rolls, default_calendar()).of_rolls(["2019-03-01"])
    assert again.reference() == reference


def test_the_reference_does_not_see_later_prices():
    rolls = _rolls()
    made = []
    for as_of in ("2019-02-28", "2022-12-28"):
        task_train(rolls.resolve("2019-03-01").task, f"as of {as_of}")
        with replayed(as_of):
            inspection = Inspection(f"as of {as_of}", rolls, default_calendar())
            (one,) = inspection.of_rolls(["2019-03-01"])
            made.append(one.reference())
    assert made[0] == made[1]
