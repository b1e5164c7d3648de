"""Drift of scores: it is found, chance is not taken for it, and the reference sees no later day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from tests.support import task_of
from wf_dagster.errors import RecordError
from wf_dagster.market import Market
from wf_dagster.online.drift import Reference, score_drift
from wf_dagster.online.inspection import REFERENCE, Inspection
from wf_dagster.rolling import RollingGen, Rolls
from wf_dagster.training import task_train

RNG = np.random.default_rng(7)


def _pred(draws, sessions=20):
    names = [f"S{n}" for n in range(len(draws) // sessions)]
    rows = pd.MultiIndex.from_product(
        [pd.bdate_range("2024-01-02", periods=sessions), names], names=["datetime", "instrument"]
    )
    return pd.DataFrame({"score": draws}, index=rows)


TRAIN = _pred(RNG.normal(size=20_000), sessions=500)
VALUES = TRAIN["score"].to_numpy()


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
    edges = np.quantile(VALUES, np.linspace(0, 1, 11)[1:-1])
    now = np.histogram(moved, [-np.inf, *edges, np.inf])[0] / len(moved)
    expected = np.sum((now - 0.1) * np.log(now / 0.1))
    assert score_drift(_pred(moved), reference).numbers["psi"] == pytest.approx(expected, abs=2e-3)


def test_ks_is_that_of_the_samples_to_one_step_of_the_quantiles():
    moved = RNG.normal(0.3, 1.2, 4000)
    found = score_drift(_pred(moved), Reference.of(TRAIN))
    assert found.numbers["ks"] == pytest.approx(ks_2samp(moved, VALUES).statistic, abs=0.006)


def test_scores_with_ties_are_their_own_reference():
    drawn = RNG.choice([-1.0, 0.0, 0.0, 0.0, 2.0], size=5000)
    steps = _pred(np.tile(drawn, 2), sessions=40)
    found = score_drift(steps, Reference.of(steps))  # its last 20 sessions are its first 20
    assert found.passed
    assert found.numbers["psi"] == pytest.approx(0, abs=1e-4)
    assert found.numbers["ks"] == pytest.approx(0, abs=0.006)
    assert not score_drift(steps * 0, Reference.of(steps)).passed
    constant = Reference.of(_pred(np.zeros(100)))
    assert score_drift(_pred(np.zeros(400)), constant).passed
    assert not score_drift(_pred(np.ones(400)), constant).passed


def test_a_first_day_of_twenty_instruments_is_no_drift_by_chance():
    reference = Reference.of(_pred(RNG.normal(size=10_000), sessions=500))
    days = [_pred(RNG.normal(size=20), sessions=1) for _ in range(500)]
    found = [score_drift(day, reference) for day in days]
    assert sum(one.numbers["psi"] > 0.25 for one in found) > 100  # the plain limit cries wolf
    assert sum(not one.passed for one in found) <= 10
    assert not score_drift(_pred(RNG.normal(3, 1, 20), sessions=1), reference).passed


def _persistent(sessions, rng):
    """Scores of 20 instruments, each much like its score of the day before."""
    drawn = [rng.normal(size=20)]
    for _ in range(sessions - 1):
        drawn.append(0.99 * drawn[-1] + 0.14 * rng.normal(size=20))
    return _pred(np.concatenate(drawn), sessions)


def test_scores_that_change_slowly_are_no_drift():
    rng = np.random.default_rng(3)
    reference = Reference.of(_persistent(1000, rng))
    found = [score_drift(_persistent(20, rng), reference) for _ in range(100)]
    assert sum(one.numbers["psi"] > 0.25 for one in found) > 30  # the plain limit cries wolf
    assert sum(not one.passed for one in found) <= 10
    assert not score_drift(_persistent(20, rng) + 1.5, reference).passed
    assert not score_drift(_persistent(20, rng) * 0.2, reference).passed


def test_only_the_latest_sessions_count():
    drifted_before = np.concatenate([RNG.normal(3, 1, 3000), RNG.normal(size=3000)])
    pred = _pred(drifted_before, sessions=60)
    assert score_drift(pred, Reference.of(TRAIN), sessions=20).passed
    assert not score_drift(pred, Reference.of(TRAIN), sessions=60).passed


def test_a_reference_survives_being_kept():
    reference = Reference.of(TRAIN)
    assert Reference.from_json(reference.to_json()) == reference
    assert len(reference.to_json()) < 8000
    with pytest.raises(ValueError, match="no distribution of scores"):
        Reference.from_json("{}")
    with pytest.raises(RecordError, match="no finite score"):
        Reference.of(_pred([np.nan], 1))


def _rolls():
    return Rolls.from_template(task_of("2019-03-01"), RollingGen("month"), name="demo")


def test_the_reference_of_a_recorder_is_its_train_segment_and_made_once(monkeypatch):
    rolls = _rolls()
    recorder = task_train(rolls.resolve("2019-03-01").task, "demo")
    (one,) = Inspection("demo", rolls, Market()).of_rolls(["2019-03-01"])
    reference = one.reference()
    dataset, model = recorder.load_object("dataset"), recorder.load_object("params.pkl")
    assert reference == Reference.of(model.predict(dataset, "train"))
    assert reference != Reference.of(model.predict(dataset, "test"))
    assert recorder.load_object(REFERENCE, raw="bytes").decode() == reference.to_json()
    recorder.save_objects(**{"params.pkl": None})  # now it can only come from what was kept
    (again,) = Inspection("demo", rolls, Market()).of_rolls(["2019-03-01"])
    assert again.reference() == reference


def test_a_reference_that_cannot_be_read_is_made_anew(tmp_path):
    rolls = _rolls()
    recorder = task_train(rolls.resolve("2019-03-01").task, "demo")
    (one,) = Inspection("demo", rolls, Market()).of_rolls(["2019-03-01"])
    reference = one.reference()
    torn = tmp_path / "reference.json"
    torn.write_text(reference.to_json()[:100])
    recorder.save_objects(local_path=str(torn), artifact_path="drift")
    assert one.reference() == reference


def test_the_reference_does_not_see_later_prices():
    rolls = _rolls()
    made = []
    for as_of in ("2019-02-28", "2022-12-28"):
        task_train(rolls.resolve("2019-03-01").task, f"as of {as_of}")
        inspection = Inspection(f"as of {as_of}", rolls, Market(as_of=as_of))
        (inspected,) = inspection.of_rolls(["2019-03-01"])
        made.append(inspected.reference())
    assert made[0] == made[1]
