"""A daily run that is killed at any moment leaves nothing that the next tick does not put right."""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from tests.online.market import REACH, TEST, day, strategy, use_prices
from tests.online.stored import assert_same
from tests.orchestration.conftest import instance as instance_of_files
from tests.orchestration.online import killed
from tests.orchestration.online.life import Life, create_assets, state_of_strategy
from tests.orchestration.online.test_same_signals import home as other_home
from wf_dagster import OnlineManager
from wf_dagster.orchestration import failed_recorder_sensor
from wf_dagster.tracking import R, find_recorders

instance = instance_of_files  # of files, which several processes can share
KILLS = 20


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch, home: Path) -> multiprocessing.context.BaseContext:
    """Processes that begin with everything imported, and no thread."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.orchestration.online.preloaded"])
    return context


def run(processes: multiprocessing.context.BaseContext, *args: object) -> float:
    """A child to its end; how long it lived."""
    child = processes.Process(target=killed.evening, args=args)  # type: ignore[attr-defined]
    started = time.perf_counter()
    child.start()
    child.join()
    return time.perf_counter() - started


@pytest.mark.integration
@pytest.mark.slow
def test_killing_the_daily_run_at_any_moment_changes_nothing_in_the_end(
    processes: multiprocessing.context.BaseContext,
    life: Life,
    empty_store: Path,
    tmp_path: Path,
) -> None:
    life.live(TEST)
    life.define([create_assets()])  # loaded again, as asked for: the sessions are known now
    run(processes, tmp_path, 60.0)  # the fork server imports
    position = TEST + 1
    life.at(position)
    usual = run(processes, tmp_path, None)
    assert life.state.session == day(position)
    moments = random.Random()
    deaths = []
    for _ in range(KILLS):
        position += 1
        life.at(position)
        deaths.append(moments.uniform(0.0, usual))
        run(processes, tmp_path, deaths[-1])
        killed.end_what_died(life.instance)
        if moments.random() < 0.5:  # the next tick is that of the next session
            position += 1
            life.at(position)
        request = life.tick()
        if isinstance(request, dg.RunRequest):  # it came too late to kill anything
            assert life.run(request).success, deaths
    life.live(position + 1)
    served = state_of_strategy(strategy(trunc_days=REACH + 1))
    assert find_recorders("ridge", status="RUNNING") == []

    prices = pd.read_parquet(life.path)
    use_prices(life.path, prices, home=other_home(tmp_path, empty_store, "undisturbed"))
    online = strategy(trunc_days=REACH + 1)
    OnlineManager(online, begin_time=day(TEST)).simulate(day(position + 1))
    assert_same(served, state_of_strategy(online))


@pytest.mark.integration
@pytest.mark.slow
def test_a_killed_run_leaves_no_recorder_running(
    processes: multiprocessing.context.BaseContext, life: Life, tmp_path: Path
) -> None:
    child = processes.Process(  # type: ignore[attr-defined]
        target=killed.evening, args=(tmp_path, None, "sleep")
    )
    child.start()
    end = time.monotonic() + 60
    while not (running := trainings()) and time.monotonic() < end:
        time.sleep(0.1)
    child.kill()
    child.join()
    assert len(running) == 1
    sensor = failed_recorder_sensor()
    _, cursor, why = life.sense(sensor)
    assert why == "no recorder was left running"  # Dagster does not know yet
    assert len(trainings()) == 1
    killed.end_what_died(life.instance)
    _, cursor, why = life.sense(sensor, cursor)
    assert f"({running[0]}) of run " in why
    assert trainings() == []
    recorder = R.get_recorder(recorder_id=running[0])
    assert recorder.status == "FAILED"
    assert recorder.list_tags()["wf_failure"] == "its Dagster run FAILURE"
    _, again, why = life.sense(sensor, cursor)
    assert (again, why) == (cursor, "no recorder was left running")
    life.define([create_assets()])
    life.live(TEST)


def trainings() -> list[str]:
    """Ids of the rolls that are RUNNING."""
    running = find_recorders("ridge", status="RUNNING")
    return [recorder.id for recorder in running if "roll" in recorder.list_tags()]
