"""The schedule, a simulation and a backfill after the fact give the same signals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.online.market import REACH, SESSIONS, TEST, day, made_prices, strategy, use_prices
from tests.online.stored import assert_same
from tests.orchestration.online.life import Life, create_assets, state_of_strategy
from wf_dagster import OnlineManager
from wf_dagster.collect import AverageEnsemble, collect_strategy
from wf_dagster.rolling import Rolls

BEGIN = TEST + 3


@pytest.mark.parametrize("sessions", [8, pytest.param(60, marks=pytest.mark.slow)])
def test_the_ticks_one_simulation_and_a_backfill_agree(
    life: Life, empty_store: Path, tmp_path: Path, sessions: int
) -> None:
    end = BEGIN + sessions - 1  # of eight sessions the fifth has another model
    life.live(BEGIN)
    life.define([create_assets()])  # its partitions are of the sessions that were read
    life.live(*range(BEGIN + 1, end + 1))
    online = strategy(trunc_days=REACH + 1)
    ticked = state_of_strategy(online)
    assert len(life.state.sessions) == sessions

    use_prices(tmp_path / "prices.parquet", made_prices(), home=home(tmp_path, empty_store, "one"))
    OnlineManager(online, begin_time=day(BEGIN)).simulate(day(end))
    assert_same(ticked, state_of_strategy(online))

    use_prices(tmp_path / "prices.parquet", made_prices(), home=home(tmp_path, empty_store, "two"))
    rolls = life.strategy.spec.partitions.rolls
    begun = [roll.key for roll in rolls if roll.test[0] <= SESSIONS[end]]
    ends = {"start": begun[0], "end": begun[-1]}
    tags = {f"dagster/asset_partition_range_{end}": key for end, key in ends.items()}
    parts = [f"ridge/{part}" for part in ("recorders", "predictions", "labels")]
    assert life.materialize(parts, tags=tags).success
    for date in [*SESSIONS[BEGIN : end + 1 : 9], SESSIONS[end]]:
        begun_rolls = Rolls([roll for roll in rolls if roll.test[0] <= date], rolls.calendar)
        pred = collect_strategy("ridge", begun_rolls).pred
        signals = AverageEnsemble()({"ridge": pred[pred.index.get_level_values(0) <= date]})
        sent = ticked["signals"]["score"]
        pd.testing.assert_series_equal(
            signals,
            sent[sent.index.get_level_values(0) <= date],
            rtol=0,
            atol=1e-9,
            check_names=False,
        )


def home(folder: Path, empty_store: Path, name: str) -> Path:
    """Another home, its store ready."""
    other = folder / name
    other.mkdir()
    shutil.copy(empty_store, other / "mlflow.db")
    return other
