"""Many rolls in worker processes: faults stay where they happen."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from tests.support import roll, task_of
from wf_dagster.errors import TaskError
from wf_dagster.settings import get_settings
from wf_dagster.tasks import fingerprint
from wf_dagster.tracking import find_recorders
from wf_dagster.training import RollJob, task_train, train_rolls
from wf_dagster.training.workers import Workers


def _train(rolls, **kwargs):
    return {outcome.key: outcome for outcome in train_rolls(rolls, "strategy", **kwargs)}


@pytest.mark.parametrize("workers", [1, 2])
def test_every_roll_has_one_finished_recorder_with_its_own_numbers(workers):
    rolls = [roll(f"2020-0{month}-01") for month in (1, 2, 3)]
    outcomes = _train(rolls, max_workers=workers)
    assert set(outcomes) == {r.key for r in rolls}
    found = {r.list_tags()["roll"]: r for r in find_recorders("strategy")}
    assert len(found) == 3
    for r in rolls:
        outcome = outcomes[r.key]
        assert outcome.ok, outcome.details
        assert found[r.key].id == outcome.recorder_id
        assert outcome.fingerprint == fingerprint(r.task) == found[r.key].list_tags()["fingerprint"]
        pred = found[r.key].load_object("pred.pkl")
        assert len(pred) == outcome.rows > 0
        days = pred.index.get_level_values("datetime")
        start, end = r.test
        assert days.min() >= start
        assert days.max() <= end


def test_the_callers_task_is_left_as_it_was():
    task = task_of("2020-01-01")
    before = repr(task)
    task_train(task, "strategy")
    assert repr(task) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_a_roll_that_raises_does_not_stop_the_others(workers):
    rolls = [roll("2020-01-01"), roll("2020-02-01", fail="raise"), roll("2020-03-01")]
    outcomes = _train(rolls, max_workers=workers)
    assert [k for k, o in sorted(outcomes.items()) if o.ok] == ["2020-01-01", "2020-03-01"]
    assert "no luck" in outcomes["2020-02-01"].error
    statuses = {
        r.list_tags()["roll"]: r.info["status"] for r in find_recorders("strategy", status=None)
    }
    assert statuses["2020-02-01"] == "FAILED"


def test_a_roll_that_kills_its_worker_does_not_stop_the_others():
    rolls = [roll("2020-01-01"), roll("2020-02-01", fail="kill"), roll("2020-03-01")]
    outcomes = _train(rolls, max_workers=2)
    assert [k for k, o in sorted(outcomes.items()) if o.ok] == ["2020-01-01", "2020-03-01"]
    assert "worker process died" in outcomes["2020-02-01"].error


@pytest.mark.skipif(sys.platform != "linux", reason="the usual way to start processes is another")
def test_a_model_starts_and_ends_processes_in_a_worker_as_in_the_program_itself():
    rolls = [roll("2020-01-01"), roll("2020-02-01")]
    for each in rolls:
        each.task["model"] = {"class": "WithProcess", "module_path": "tests.support"}
    outcomes = _train(rolls, max_workers=2)
    assert [outcome.error for outcome in outcomes.values()] == [None, None]
    for recorder in find_recorders("strategy"):
        tags = recorder.list_tags()
        assert (tags["start_method"], tags["is_child"]) == ("fork", "True")
        assert tags["exit_code"] == str(-signal.SIGTERM)


@pytest.mark.parametrize(
    ("how", "begun"),
    [("sleep", ["strategy"]), ("stay", ["strategy"]), ("open", ["open", "strategy"])],
)
def test_a_worker_that_is_told_to_leave_while_it_trains_dies_and_its_runs_have_failed(how, begun):
    slow = roll("2020-01-01", fail=how)
    work = RollJob(slow.key, "train", "strategy", fingerprint(slow.task), task=slow.task)
    pool = Workers(2, [work])
    pool.check()
    future = pool.submit(work)
    while not (get_settings().home / "fitting").exists():
        time.sleep(0.05)
    while not find_recorders(begun[0], status="RUNNING"):
        time.sleep(0.05)
    processes = list(pool._pool._processes.values())
    for process in processes:
        os.kill(process.pid, signal.SIGTERM)
    assert isinstance(future.exception(30), BrokenProcessPool)  # not what the roll has raised
    for process in processes:  # the future may know of one while another ends its runs
        process.join(30)
    for experiment in begun:
        assert [r.status for r in find_recorders(experiment, status=None)] == ["FAILED"]
    pool.stop()


def test_leaving_early_ends_the_workers():
    rolls = [roll(f"2020-0{month}-01", fail="sleep" if month > 1 else "") for month in (1, 2, 3)]
    outcomes = train_rolls(rolls, "strategy", max_workers=2)
    first = next(outcomes)
    assert first.key == "2020-01-01"
    started = time.monotonic()
    outcomes.close()
    assert time.monotonic() - started < 15
    assert _children() == []


def test_a_malformed_task_makes_no_run():
    task = task_of("2020-01-01")
    task["model"] = {"class": "NoSuchModel", "module_path": "wf_dagster.models"}
    with pytest.raises(TaskError, match="NoSuchModel"):
        task_train(task, "strategy")
    assert find_recorders("strategy", status=None) == []


def _children() -> list[str]:
    import subprocess

    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,args="], capture_output=True, text=True
    ).stdout.splitlines()
    return [line for line in listed if "spawn_main" in line and "defunct" not in line]
