"""``wf-dagster worker`` and ``wf-dagster pool``, as typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.pool.waiting import until
from tests.support import task_of
from wf_dagster import DelayTrainerRM, TaskManager
from wf_dagster.cli import app
from wf_dagster.pool.stores import mongo
from wf_dagster.tracking import find_recorders, sweep

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
MONTHS = [f"2019-{month:02d}-01" for month in range(1, 7)]


def start_command(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "wf_dagster", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_command(*arguments):
    """In a process of its own: its exit code and what it printed."""
    process = start_command(*arguments)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def run_here(*arguments):
    """The same in this process, which has imported everything."""
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


@pytest.mark.slow
def test_two_workers_train_each_task_once():
    pool = TaskManager("pool")
    pool.create_task([task_of(month, "slow") for month in MONTHS])
    workers = [start_command("worker", "--pool", "pool", "--processes", "1") for _ in range(2)]
    for worker in workers:
        output, _ = worker.communicate(timeout=240)
        assert worker.returncode == 0, output
        assert "nothing left to fetch" in output
    assert pool.task_stat() == {"done": len(MONTHS)}
    assert len({task["worker"] for task in pool.query()}) == 2
    results = {task["res"].id for task in pool.query()}
    assert {recorder.id for recorder in find_recorders("pool", status=None)} == results


@pytest.mark.slow
def test_delayed_trainings_are_ended_by_a_worker():
    DelayTrainerRM("experiment", "pool").train([task_of(month) for month in MONTHS[:2]])
    code, output = run_command(
        "worker", "--pool", "pool", "--experiment", "experiment", "--before-status", "part_done"
    )
    assert code == 0, output
    assert [r.info["status"] for r in find_recorders("experiment")] == ["FINISHED"] * 2


@pytest.mark.slow
def test_a_task_that_fails_is_told_by_the_exit_code_and_stops_no_other():
    pool = TaskManager("pool")
    pool.create_task([task_of(MONTHS[0], "kill"), task_of(MONTHS[1], "raise"), task_of(MONTHS[2])])
    code, output = run_command("worker", "--pool", "pool", "--processes", "2")
    assert code == 1
    assert pool.task_stat() == {"done": 1, "failed": 2}
    assert output.count("no luck") == 3
    assert output.count("worker process died") == 3


@pytest.mark.slow
def test_sigterm_lets_the_task_in_work_end_and_fetches_no_other():
    pool = TaskManager("pool")
    pool.create_task([task_of(month, "slow") for month in MONTHS])
    worker = start_command("worker", "--pool", "pool", "--processes", "1")
    until(lambda: pool.task_stat().get("running"))
    worker.send_signal(signal.SIGTERM)
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0, output
    assert "stopped: 1 trained" in output
    assert pool.task_stat() == {"done": 1, "waiting": len(MONTHS) - 1}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["grace", "second signal"])
def test_a_task_that_takes_too_long_is_given_back(how):
    pool = TaskManager("pool")
    pool.create_task([task_of(MONTHS[0], "sleep")])
    grace = "0.5" if how == "grace" else "600"
    worker = start_command("worker", "--pool", "pool", "--processes", "1", "--grace", grace)
    until(lambda: find_recorders("pool", status="RUNNING"))
    worker.send_signal(signal.SIGINT)
    if how == "second signal":
        time.sleep(0.5)
        worker.send_signal(signal.SIGINT)
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode > 128, output
    (task,) = pool.query()
    assert (task["status"], task["attempts"]) == ("waiting", 0)
    sweep("pool")  # on a busy machine the process may have been ended before it could say so
    assert [r.info["status"] for r in find_recorders("pool", status=None)] == ["FAILED"]


@pytest.mark.slow
def test_a_worker_that_follows_takes_what_comes():
    worker = start_command("worker", "--pool", "pool", "--processes", "1", "--follow")
    assert "no task" in worker.stdout.readline()
    pool = TaskManager("pool")
    pool.create_task([task_of(MONTHS[0])])
    until(lambda: pool.task_stat() == {"done": 1})
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=60)
    assert worker.returncode == 0


def test_the_pool_is_shown_and_changed():
    pool = TaskManager("pool")
    first, second, third = pool.create_task([task_of(month) for month in MONTHS[:3]])
    assert json.loads(run_here("pool", "list", "--json")[1]) == [
        {"pool": "pool", "waiting": 3, "running": 0, "part_done": 0, "done": 0, "failed": 0}
    ]
    code, output = run_here("pool", "show", "pool")
    assert code == 0
    assert [line.split()[0] for line in output.splitlines()[1:]] == [first, second, third]

    assert (
        "1 task has priority 5"
        in run_here("pool", "prioritize", "pool", third, "--priority", "5")[1]
    )
    held = pool.fetch_task()
    assert held["_id"] == third
    assert "1 task set waiting" in run_here("pool", "reset", "pool")[1]

    (described,) = json.loads(run_here("pool", "show", "pool", second)[1])
    assert described["filter"]["model"]["class"] == "SklearnModel"
    assert "1 task removed" in run_here("pool", "remove", "pool", second)[1]
    assert json.loads(run_here("pool", "stat", "pool", "--json")[1])["waiting"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("worker", "--pool", "a$b"), "task pool 'a$b' holds a '$'"),
        (("worker", "--pool", "p", "--before-status", "lost"), "status 'lost' is unknown"),
        (("worker", "--pool", "p", "--before-status", "done"), "fetched from"),
        (("worker", "--pool", "p", "--query", "{"), "is no JSON"),
        (("pool", "stat", "p", "--store", "mongodb://127.0.0.1:9/x"), "mongodb://127.0.0.1:9/x"),
        (("pool", "show", "p", "--query", '{"$where": "1"}'), "$where"),
        (("pool", "remove", "p"), "nothing says which tasks"),
        (("pool", "prioritize", "p", "0" * 24, "--priority", "1"), "holds no task"),
    ],
    ids=str,
)
def test_a_mistake_is_one_message(arguments, message, monkeypatch):
    monkeypatch.setattr(mongo, "CONNECT_SECONDS", 0.2)  # for the store that is down
    code, output = run_here(*arguments)
    assert code == 2
    assert message in output
    assert "Traceback" not in output


def test_a_mistake_is_one_message_in_a_shell_too():
    code, output = run_command("pool", "remove", "p")
    assert code == 2
    assert "nothing says which tasks" in output
    assert "Traceback" not in output
