"""Closes that come late, through the sensor and by Materialize."""

from __future__ import annotations

import dagster as dg
import pandas as pd
import pytest

from tests.online.market import SESSIONS, TEST, day
from tests.orchestration.online.life import (
    Life,
    failures,
    materializations,
    roll_key,
)
from wf_dagster.online import load_revisions
from wf_dagster.orchestration import build_online_checks

HALF = ["S0", "S1", "S2"]
NOW = TEST + 3


def preds(life: Life) -> pd.Series:
    (model,) = life.strategy.spec.online_strategy().tool.online_models()
    return model.load_object("pred.pkl")["score"]


@pytest.fixture
def half(life: Life, prices: pd.DataFrame) -> Life:
    """A strategy that has served a session of which half of the closes were there."""
    life.clock.unlink()
    part = prices["datetime"].lt(SESSIONS[NOW]) | prices["instrument"].isin(HALF)
    life._all = prices
    life.prices_until(NOW - 1)
    (request,), life.cursor, _ = life.sense(life.new_data)
    assert life.run(request).success
    prices[part & prices["datetime"].le(SESSIONS[NOW])].to_parquet(life.path)
    (request,), life.cursor, _ = life.sense(life.new_data, life.cursor)
    assert life.run(request).success
    assert list(life.signals.loc[SESSIONS[NOW]].index) == HALF
    life.events()
    return life


def assert_completed(life: Life, sent: pd.Series, pred: pd.Series) -> None:
    """All six instruments have a score, by hand from the predictions; what was there stays."""
    pd.testing.assert_series_equal(preds(life)[pred.index], pred)
    pd.testing.assert_series_equal(life.signals[sent.index], sent)
    of_day = preds(life).loc[SESSIONS[NOW]]
    assert len(of_day) == 6
    late = ((of_day - of_day.mean()) / of_day.std())[["S3", "S4", "S5"]]
    pd.testing.assert_series_equal(
        life.signals.loc[SESSIONS[NOW]][late.index], late, check_names=False, atol=1e-9
    )
    assert list(load_revisions()["rows"]) == [3]
    collected = life.strategy.spec.inspection().collected()
    assert len(collected.load_object("pred.pkl").loc[SESSIONS[NOW]]) == 6


def test_the_sensor_asks_once_for_the_rows_that_lack(half: Life) -> None:
    sent, pred = half.signals, preds(half)
    half.prices_until(NOW)
    (request,), cursor, _ = half.sense(half.new_data, half.cursor)
    assert request.run_key.startswith(f"ridge:{day(NOW)}:late:")
    assert request.run_config["ops"]["ridge_rolls"]["config"]["predict_again"] is False
    result = half.run(request)
    assert result.success, failures(result)
    assert_completed(half, sent, pred)
    assert half.newest("predictions", roll_key(0))["late_rows"] == 3
    (signals,) = materializations(half.instance, dg.AssetKey("signals"))[:1]
    assert signals.metadata["late_rows"].value == 3
    assert signals.metadata["revised_sessions"].value == 1
    assert half.sense(half.new_data, cursor)[0] == []


def test_the_run_of_the_next_session_adds_them(half: Life) -> None:
    sent, pred = half.signals, preds(half)
    half.prices_until(NOW + 1)
    (request,), _, _ = half.sense(half.new_data, half.cursor)
    assert request.run_key == f"ridge:{day(NOW + 1)}"
    assert half.run(request).success
    assert_completed(half, sent, pred)
    assert half.signals.index[-1][0] == SESSIONS[NOW + 1]


def test_materialize_adds_them_and_says_how_many(half: Life) -> None:
    half.prices_until(NOW)
    result = half.materialize(["ridge/predictions"], partition_key=roll_key(0))
    assert result.success, failures(result)
    assert half.newest("predictions", roll_key(0))["late_rows"] == 3
    assert len(preds(half).loc[SESSIONS[NOW]]) == 6


def test_history_that_is_adjusted_again_is_a_warning(half: Life) -> None:
    checks = build_online_checks(half.strategy, signals=[])
    defs = dg.Definitions(
        assets=list(half.strategy), asset_checks=checks, resources=half.defs.resources
    )
    job = defs.resolve_implicit_global_asset_job_def()
    key = dg.AssetCheckKey(half.strategy.key("online_models"), "same_history")

    def answer() -> dg.AssetCheckEvaluation:
        result = job.get_subset(asset_check_selection={key}, asset_selection=set())
        run = result.execute_in_process(instance=half.instance)
        (evaluation,) = run.get_asset_check_evaluations()
        return evaluation

    assert answer().passed
    table = pd.read_parquet(half.path)
    table.loc[table["instrument"] == "S1", "close"] /= 2
    table.to_parquet(half.path)
    evaluation = answer()
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["changed_sessions"].value == NOW + 1
    assert evaluation.metadata["first"].value == day(0)
    assert evaluation.metadata["last"].value == day(NOW)
