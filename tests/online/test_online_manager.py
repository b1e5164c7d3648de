"""The manager: the same whether it simulates, works day by day, or makes up for missed days."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.online.market import STEP, TEST, day, made_prices, strategy, template, use_prices
from tests.online.stored import assert_same, history_of, read_stored
from wf_dagster import (
    DelayTrainerR,
    DelayTrainerRM,
    OnlineManager,
    Trainer,
    TrainerR,
    TrainerRM,
)
from wf_dagster.market import Market
from wf_dagster.tracking import find_recorders

BEGIN, END = TEST + 3, TEST + 2 * STEP + 2  # two rolls become due in between
TRAINERS = {
    "TrainerR": TrainerR,
    "DelayTrainerR": DelayTrainerR,
    "TrainerRM": lambda: TrainerRM(task_pool="pool"),
    "DelayTrainerRM": lambda: DelayTrainerRM(task_pool="pool"),
}


def simulated(name: str = "ridge", trainer: Trainer | None = None, **given: Any) -> OnlineManager:
    manager = OnlineManager(strategy(name), trainer, begin_time=day(BEGIN))
    manager.simulate(day(END), **given)
    return manager


def daily(name: str = "ridge", trainer: Trainer | None = None) -> OnlineManager:
    """Each session by a manager that is made again from what is kept."""
    manager = OnlineManager(strategy(name), trainer, begin_time=day(BEGIN))
    manager.first_train()
    for position in range(BEGIN, END + 1):
        if position > BEGIN:
            manager = OnlineManager.from_store(strategy(name), trainer)
        manager.routine(day(position))
    return manager


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> dict[str, Any]:
    """What a simulation with ``TrainerR`` leaves."""
    import shutil

    folder = tmp_path_factory.mktemp("expected")
    shutil.copy(empty_store, folder / "mlflow.db")
    use_prices(folder / "prices.parquet", made_prices(), home=folder)
    manager = simulated()
    return {**read_stored(*manager.strategies), "history": history_of(manager)}


@pytest.mark.parametrize(
    ("way", "trainer"),
    [
        *((simulated, trainer) for trainer in TRAINERS),
        (daily, "TrainerR"),
        *(
            pytest.param(daily, trainer, marks=pytest.mark.slow)
            for trainer in TRAINERS
            if trainer != "TrainerR"
        ),
    ],
)
def test_all_situations_give_the_same(
    market: Path, way: Any, trainer: str, expected: dict[str, Any]
) -> None:
    manager = way(trainer=TRAINERS[trainer]())
    found = {**read_stored(*manager.strategies), "history": history_of(manager)}
    assert_same(found, expected)
    assert len(find_recorders("ridge")) == 3  # each trained once
    assert find_recorders("ridge", status="SCHEDULED") == []


def test_signals_are_sorted_unique_and_of_the_models_that_served(expected: dict[str, Any]) -> None:
    rows = expected["signals"].index
    assert rows.is_monotonic_increasing
    assert rows.is_unique
    days = rows.get_level_values("datetime").unique()
    assert list(days) == list(pd.DatetimeIndex([day(n) for n in range(TEST, END + 1)]))


def test_the_next_roll_takes_over_at_its_first_session(expected: dict[str, Any]) -> None:
    served = {session: models["ridge"] for session, models in expected["history"].items()}
    assert list(served) == [day(n) for n in range(BEGIN, END + 1)]
    for position in range(BEGIN, END + 1):
        (model,) = served[day(position)]
        assert model.endswith(day(position - (position - TEST) % STEP))


def test_missed_sessions_are_made_up_for(market: Path, expected: dict[str, Any]) -> None:
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.first_train()
    manager.routine(day(BEGIN + 1))
    done = OnlineManager.from_store(strategy()).routine(day(END))
    assert done.sessions == [pd.Timestamp(day(n)) for n in range(BEGIN + 2, END + 1)]
    found = OnlineManager.from_store(strategy())
    assert_same({**read_stored(strategy()), "history": history_of(found)}, expected)


def test_a_routine_again_changes_nothing(market: Path) -> None:
    manager = simulated()
    before = read_stored(*manager.strategies)
    files = changed_at(market.parent / "home" / "artifacts")
    for again in (manager, OnlineManager.from_store(strategy())):
        done = again.routine(day(END))
        assert (done.trained, done.predicted, done.labelled) == ([], [], [])
    assert_same(read_stored(*manager.strategies), before)
    after = changed_at(market.parent / "home" / "artifacts")
    assert {path for path, when in after.items() if files.get(path) != when} <= {
        path for path in after if "signals" in path.name or "code" in path.name
    }


def changed_at(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_past_session_sees_nothing_later(market: Path) -> None:
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.first_train()
    manager.routine(day(BEGIN + 1))
    (model,) = strategy().tool.online_models()
    assert model.load_object("pred.pkl").index[-1][0] == pd.Timestamp(day(BEGIN + 1))
    assert manager.signals.index[-1][0] == pd.Timestamp(day(BEGIN + 1))
    assert model.list_tags()["data_until"] == day(BEGIN)


def test_simulating_leaves_the_logging_as_it_was(market: Path) -> None:
    levels = {name: logging.getLogger(name).level for name in ("", "wf_dagster", "qlib")}
    simulated()
    assert {name: logging.getLogger(name).level for name in levels} == levels


def test_a_manager_comes_back_from_its_store(market: Path) -> None:
    manager = simulated()
    again = OnlineManager.from_store(strategy())
    assert history_of(again) == history_of(manager)
    assert (again.begin_time, again.cur_time) == (manager.begin_time, manager.cur_time)
    pd.testing.assert_series_equal(again.get_signals(), manager.get_signals())


def test_a_manager_comes_back_from_a_file(
    market: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = simulated(trainer=DelayTrainerR())
    manager.to_pickle(tmp_path / "manager.pkl", dump_all=True)
    assert "manager.pkl: dump_all ignored" in caplog.text
    again = OnlineManager.load(filepath=tmp_path / "manager.pkl")
    assert history_of(again) == history_of(manager)
    assert again.cur_time == manager.cur_time
    pd.testing.assert_series_equal(again.get_signals(), manager.get_signals())
    again.routine(day(END + 1))
    assert again.cur_time == pd.Timestamp(day(END + 1))


def test_a_file_written_before_strategies_had_markets_is_gone_on_with(market: Path) -> None:
    """It holds two strategies, one of them on a calendar of its generator's own."""
    manager = OnlineManager.load(Path(__file__).with_name("former_manager.pkl"))
    ridge, own = manager.strategies
    assert ridge.market == Market()
    assert (own.market.is_default, own.market.calendar_name) == (False, "own")
    assert manager.begin_time == pd.Timestamp(day(BEGIN))
    manager.first_train()
    manager.routine(day(BEGIN + 1))
    for rolls in manager.strategies:
        (model,) = rolls.tool.online_models()
        assert model.load_object("pred.pkl").index[-1][0] == pd.Timestamp(day(BEGIN + 1))
        assert rolls.tool.state().sessions == (day(BEGIN), day(BEGIN + 1))
    assert manager.signals.index[-1][0] == pd.Timestamp(day(BEGIN + 1))


def test_several_strategies_are_averaged(market: Path) -> None:
    strategies = [strategy("ridge"), strategy("lazy", template(alpha=1e4))]
    manager = OnlineManager(strategies, begin_time=day(BEGIN))
    manager.simulate(day(BEGIN + STEP))
    frames = []
    for one in strategies:
        rolls = [r.load_object("pred.pkl")["score"] for r in reversed(find_recorders(one.name_id))]
        joined = pd.concat(rolls).sort_index()
        by_day = joined.groupby(level="datetime")
        frames.append((joined - by_day.transform("mean")) / by_day.transform("std"))
    mean = (frames[0] + frames[1]) / 2
    pd.testing.assert_series_equal(manager.signals, mean, check_names=False, rtol=1e-9)
