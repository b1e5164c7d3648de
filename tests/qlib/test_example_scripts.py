"""The scripts of ``examples/qlib``, from the command line, beside themselves under Qlib.

The same files run under both; for Qlib only the lines that import are changed. What both leave is
the same, except for what ``docs/qlib.md`` lists as different on purpose:

- a simulation of Qlib's predicts a whole test segment at once, past the simulated session, and so
  do its signals: compared up to the last session;
- Qlib's signals hold the session between two routines twice: compared without the doubles;
- a strategy that joins late predicts up to the present here, with Qlib at the next routine only.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.pool.servers import Mongo
from tests.qlib.provider import write_provider
from tests.qlib.scripts import (
    CALLS,
    DAYS,
    EXAMPLES,
    GROWS,
    ONLINE,
    PANEL,
    ROLLING,
    SIMULATED,
    SIMULATION,
    STEP,
    TEST,
    added_tasks,
    day,
    grow,
    online_tasks,
    rolling_tasks,
    starts_at,
    with_qlibs_imports,
    write_tasks,
)
from wf_dagster import OnlineManager, R, TaskManager

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    write_provider(folder / "whole", PANEL)
    return folder


@pytest.fixture(scope="module")
def under_qlib(folder: Path) -> Any:
    """A function that waits for what the scripts leave under Qlib, which runs meanwhile."""
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.qlib.scripts_by_qlib", str(folder)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "qlib.log").open("wb"),
        # without GIT_DIR it keeps the diff of this repository with each recorder
        env={**os.environ, "OMP_NUM_THREADS": "1", "GIT_DIR": str(folder)},
    )

    def answers() -> dict[str, Any]:
        assert run.wait() == 0, (folder / "qlib.log").read_text()[-3000:]
        return pickle.loads((folder / "answers.pkl").read_bytes())

    yield answers
    run.kill()
    run.wait()


def run_script(script: str, folder: Path, *steps: str, **arguments: Any) -> str:
    """What a script prints; its home is in the folder."""
    options = [
        part for name, value in arguments.items() for part in (f"--{name.replace('_', '-')}", value)
    ]
    here = folder / "here"
    here.mkdir(exist_ok=True)
    process = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *steps, *map(str, options)],
        cwd=here,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WF_HOME": str(folder / "home"),
            "WF_MAX_WORKERS": "2" if script == "rolling.py" else "1",
        },
    )
    assert process.returncode == 0, process.stderr[-3000:]
    assert not list(here.iterdir())
    return process.stdout


def at_home(folder: Path, provider: str) -> None:
    wf_dagster.init(
        home=folder / "home", qlib_provider_uri=str(folder / provider), qlib_region="us"
    )


def assert_same(ours: Any, theirs: Any, until: pd.Timestamp | None = None) -> None:
    if until is not None:
        theirs = theirs[theirs.index.get_level_values("datetime") <= until]
    pd.testing.assert_index_equal(ours.index, theirs.index, exact="equiv")
    np.testing.assert_allclose(
        np.asarray(ours, dtype="float64").ravel(),
        np.asarray(theirs, dtype="float64").ravel(),
        rtol=0,
        atol=1e-6,
    )


def each_once(signals: Any) -> Any:
    return signals[~signals.index.duplicated(keep="last")].sort_index()


def test_only_imports_tell_the_scripts_from_qlibs():
    for path in EXAMPLES.glob("*.py"):
        before = path.read_text().splitlines()
        after = with_qlibs_imports(path.read_text())
        assert "wf_dagster" not in after
        assert set(after.splitlines()) - set(before) <= {
            line for line in after.splitlines() if line.startswith("from qlib.")
        }


@pytest.mark.slow
def test_rolls_are_trained_through_qlibs_pool_and_collected(folder, under_qlib):
    server = Mongo()
    server.start()
    arguments = {
        **ROLLING,
        "provider_uri": folder / "whole",
        "tasks": write_tasks(folder, "rolling", rolling_tasks()),
        "task_pool": "rolls",
        "task_url": f"mongodb://127.0.0.1:{server.port}/",
        "task_db_name": "named_by_the_script",
    }
    try:
        printed = run_script("rolling.py", folder, **arguments)
        pool = TaskManager("rolls", f"mongodb://127.0.0.1:{server.port}/named_by_the_script")
        assert pool.task_stat() == {"done": 8}
        pool.create_task(online_tasks(day(-1)))
        run_script("rolling.py", folder, "worker", **arguments)
        assert pool.task_stat() == {"done": 9}
    finally:
        server.remove()
    assert not (folder / "home" / "tasks.db").exists()
    assert "('LGBModel',)" in printed
    at_home(folder, "whole")
    recorders = R.list_recorders(experiment_name=ROLLING["experiment_name"])
    assert len(recorders) == 9
    collector = wf_dagster.RecorderCollector(
        ROLLING["experiment_name"],
        process_list=wf_dagster.RollingGroup(),
        rec_key_func=lambda rec: (rec.load_object("task")["model"]["class"], starts_at(rec)),
        rec_filter_func=lambda rec: rec.load_object("task")["model"]["class"] == "LGBModel",
    )
    ours, theirs = collector(), under_qlib()["rolling"]
    assert list(ours["pred"]) == list(theirs["pred"]) == [("LGBModel",)]
    assert_same(ours["pred"]["LGBModel",], theirs["pred"]["LGBModel",])
    assert len(ours["pred"]["LGBModel",]) > 500


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["TrainerR", "DelayTrainerRM"])
def test_the_simulated_online_life_is_qlibs(trainer, folder, under_qlib):
    name = f"simulated_{trainer}"
    printed = run_script(
        "online_simulation.py",
        folder,
        **{**SIMULATION, "experiment_name": name},
        provider_uri=folder / "whole",
        tasks=write_tasks(folder, "simulated", online_tasks(day(-1))),
        trainer=trainer,
    )
    assert "excess return with cost" in printed
    theirs = under_qlib()["simulation"]
    at_home(folder, "whole")
    strategy = wf_dagster.RollingStrategy(
        name,
        online_tasks(day(-1)),
        wf_dagster.RollingGen(STEP, "sliding", None, trunc_days=2),
    )
    manager = OnlineManager.from_store(strategy)
    last = DAYS[SIMULATED[1]]
    history = {
        session: [starts_at(recorder) for recorder in by[strategy]]
        for session, by in manager.history.items()
    }
    assert history == theirs["history"]
    assert sorted({start for served in history.values() for start in served}) == [
        DAYS[TEST + n * STEP] for n in range(3)
    ]
    assert_same(manager.get_signals(), each_once(theirs["signals"]), until=last)
    (ours,), (their,) = (
        collected[key, "pred"].values()
        for key, collected in (
            (name, manager.get_collector()()),
            (SIMULATION["experiment_name"], theirs["collected"]),
        )
    )
    assert_same(ours[ours.index.get_level_values("datetime") <= last], their, until=last)


@pytest.mark.slow
def test_the_routine_of_an_online_strategy_is_qlibs(folder, under_qlib):
    arguments = {
        **ONLINE,
        "provider_uri": folder / "grows",
        "tasks": write_tasks(folder, "online", online_tasks()),
        "add_tasks": write_tasks(folder, "added", added_tasks()),
        "state": folder / "state.pkl",
    }
    theirs = under_qlib()["online"]
    for step, (last, calls) in enumerate(zip(GROWS, CALLS, strict=True)):
        grow(folder / "grows", last)
        run_script("rolling_online.py", folder, *calls, **arguments)
        at_home(folder, "grows")
        manager = OnlineManager.load(folder / "state.pkl")
        online = {
            strategy.name_id: [starts_at(recorder) for recorder in strategy.tool.online_models()]
            for strategy in manager.strategies
        }
        assert online == theirs[step]["online"]
        collected = manager.get_collector()()
        assert list(collected) == list(theirs[step]["collected"])
        for key, by_model in collected.items():
            for model, pred in by_model.items():
                their = theirs[step]["collected"][key][model]
                assert_same(pred.loc[: their.index[-1][0]] if "LGB" in key[0] else pred, their)
        if step > 0:
            assert_same(manager.get_signals(), each_once(theirs[step]["signals"]))
            assert manager.get_signals().index[-1][0] == DAYS[last]
    assert online["LinearModel"] == [DAYS[TEST + STEP]]
