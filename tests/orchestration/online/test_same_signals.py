"""The schedule, a simulation and a backfill after the fact give the same signals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from tests.online.kept import assert_same
from tests.online.market import REACH, SESSIONS, TEST, day, made_prices, strategy, use_prices
from tests.orchestration.online.life import Life, kept_by
from wf_dagster import OnlineManager
from wf_dagster.collect import AverageEnsemble, collect_strategy
from wf_dagster.rolling import Rolls

BEGIN, END = TEST + 3, TEST + 62


def test_sixty_ticks_one_simulation_and_a_backfill_agree(
    life: Life, made_store: Path, tmp_path: Path
) -> None:
    life.live(*range(BEGIN, END + 1))
    online = strategy(trunc_days=REACH + 1)
    ticked = kept_by(online)
    assert len(life.state.sessions) == 60

    use_prices(tmp_path / "prices.parquet", made_prices(), home=home(tmp_path, made_store, "one"))
    OnlineManager(online, begin_time=day(BEGIN)).simulate(day(END))
    assert_same(ticked, kept_by(online))

    use_prices(tmp_path / "prices.parquet", made_prices(), home=home(tmp_path, made_store, "two"))
    rolls = life.strategy.spec.partitions.rolls
    begun = [roll.key for roll in rolls if roll.test[0] <= SESSIONS[END]]
    ends = {"start": begun[0], "end": begun[-1]}
    tags = {f"dagster/asset_partition_range_{end}": key for end, key in ends.items()}
    parts = [f"ridge/{part}" for part in ("recorders", "predictions", "labels")]
    assert life.materialize(parts, tags=tags).success
    for date in [*SESSIONS[BEGIN : END + 1 : 9], SESSIONS[END]]:
        known = Rolls([roll for roll in rolls if roll.test[0] <= date], rolls.calendar)
        pred = collect_strategy("ridge", known).pred
        made = AverageEnsemble()({"ridge": pred[pred.index.get_level_values(0) <= date]})
        sent = ticked["signals"]["score"]
        pd.testing.assert_series_equal(
            made, sent[sent.index.get_level_values(0) <= date], rtol=0, atol=1e-9, check_names=False
        )


def home(folder: Path, made_store: Path, name: str) -> Path:
    """Another home, its store ready."""
    made = folder / name
    made.mkdir()
    shutil.copy(made_store, made / "mlflow.db")
    return made
