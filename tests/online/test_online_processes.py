"""A process for each session gives what one simulation gives, whenever one is killed."""

from __future__ import annotations

import pickle
import random
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.online.market import REACH, STEP, TEST, day, strategy
from tests.online.processes import apart
from tests.online.stored import assert_same, history_of, read_stored
from wf_dagster import AverageEnsemble, OnlineManager, RollingGroup, TaskManager, TrainerR
from wf_dagster.collect import RecorderCollector
from wf_dagster.tracking import find_recorders
from wf_dagster.training import pool_trainers

BEGIN, END = TEST + 3, TEST + 62  # 60 sessions


def session(position: int) -> None:
    OnlineManager.from_store(strategy()).routine(day(position))


@pytest.mark.slow
def test_sixty_processes_a_simulation_and_a_backfill_give_the_same_signals(market: Path) -> None:
    first = OnlineManager(strategy(), begin_time=day(BEGIN))
    first.first_train()
    for position in range(BEGIN, END + 1):
        assert apart(session, position)
    daily = OnlineManager.from_store(strategy())

    simulated = OnlineManager(strategy("simulated"), begin_time=day(BEGIN), name="simulated")
    simulated.simulate(day(END))
    pd.testing.assert_series_equal(daily.signals, simulated.signals, rtol=0, atol=1e-9)
    one = {key: value["ridge"] for key, value in history_of(daily).items()}
    other = {key: value["simulated"] for key, value in history_of(simulated).items()}
    assert other == {
        key: [name.replace("ridge {", "simulated {") for name in names]
        for key, names in one.items()
    }
    backfilled = afterwards()
    pd.testing.assert_series_equal(
        simulated.signals.loc[day(BEGIN) :], backfilled, rtol=0, atol=1e-9, check_names=False
    )


def afterwards() -> pd.Series:
    """The signal of each session, collected as of it from rolls trained long after it."""
    rolls = strategy("backfill")
    tasks = rolls.at(day(END)).first_tasks()
    TrainerR("backfill").train(tasks)
    collected = RecorderCollector("backfill", rec_key_func=rolls.collected_key)()["pred"]
    starts = {key: pd.Timestamp(key[1][0]) for key in collected}
    signals = []
    for position in range(BEGIN, END + 1):
        now = pd.Timestamp(day(position))
        seen = {key: frame.loc[:now] for key, frame in collected.items() if starts[key] <= now}
        signals.append(AverageEnsemble()(RollingGroup()(seen)).loc[[now]])
    return pd.concat(signals)


# ---- killed at any moment

KILLS = 20
BEFORE, AFTER = TEST + STEP - 1, TEST + STEP + REACH - 1  # a switch, and labels that end


def routine(path: Path | None = None) -> None:
    OnlineManager.from_store(strategy()).routine(day(AFTER))
    if path is not None:
        found = {**read_stored(strategy()), "recorders": len(find_recorders("ridge"))}
        path.write_bytes(pickle.dumps(found))


def begin() -> None:
    manager = OnlineManager(strategy(), begin_time=day(BEFORE))
    manager.first_train()
    manager.routine(day(BEFORE))


def restored(home: Path) -> None:
    shutil.rmtree(home)
    shutil.copytree(home.with_name("before"), home)


@pytest.mark.slow
def test_a_killed_routine_is_made_up_for_by_the_next(market: Path, home: Path) -> None:
    chance = random.Random(5)
    result = home.with_name("result")
    assert apart(begin)  # this process must not hold the store that is put back below
    shutil.copytree(home, home.with_name("before"))
    started = time.monotonic()
    assert apart(routine, result)
    seconds = time.monotonic() - started
    expected: dict[str, Any] = pickle.loads(result.read_bytes())
    killed = 0
    for number in range(KILLS):
        restored(home)
        killed += not apart(routine, kill_after=chance.uniform(0.05, 1.0) * seconds)
        if number % 4 == 0:  # the one that follows dies as well
            killed += not apart(routine, kill_after=chance.uniform(0.05, 1.0) * seconds)
        assert apart(routine, result)
        assert_same(pickle.loads(result.read_bytes()), expected)
    assert killed > KILLS / 2


@pytest.mark.parametrize(
    "trainer", ["TrainerRM", pytest.param("DelayTrainerRM", marks=pytest.mark.slow)]
)
def test_a_pool_that_a_killed_routine_used_is_gone_on_with(
    market: Path, trainer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = partial(TaskManager, lease=1.0)  # what a dead process held is free again after it
    monkeypatch.setattr(pool_trainers, "TaskManager", short)
    made = getattr(pool_trainers, trainer)(task_pool="pool")
    manager = OnlineManager(strategy(), made, begin_time=day(BEFORE))
    manager.first_train()

    def later() -> None:
        OnlineManager.from_store(strategy(), made).routine(day(AFTER))

    for seconds in (0.15, 0.3, 0.45):
        apart(later, kill_after=seconds)
    assert apart(later)
    assert len(find_recorders("ridge")) == 2
    (model,) = strategy().tool.online_models()
    assert model.load_object("pred.pkl").index[-1][0] == pd.Timestamp(day(AFTER))
