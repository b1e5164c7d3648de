"""Runs whose process was killed are found and ended; those of a living one never are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from typer.testing import CliRunner

from tests.tracking.support import ROOT, environment, own_params, script
from wf_dagster import R
from wf_dagster.cli import app
from wf_dagster.errors import ExperimentNotFoundError
from wf_dagster.tracking import find_dead, parent_run, sweep
from wf_dagster.tracking.heartbeat import HEARTBEAT_TAG, Heartbeat
from wf_dagster.tracking.store import get_client

RUN = """
with R.start(experiment_name="a", recorder_name="victim"):
    R.log_params(a=1)
    R.get_recorder().flush()
    print(R.get_recorder().id, flush=True)
    time.sleep(120)
"""


def _command(*arguments):
    return CliRunner().invoke(app, ["sweep", *arguments])


def _stored(recorder_id):
    return R.get_recorder(recorder_id=recorder_id)


def _running(**beat):
    """A run that says it is worked on by the process of this heartbeat."""
    recorder = R.get_exp(experiment_name="a").create_recorder("x")
    recorder.start_run()
    recorder.set_tags(**{HEARTBEAT_TAG: str(replace(Heartbeat.now(), **beat))})
    recorder.flush()
    from wf_dagster.tracking.heartbeat_thread import HEARTBEAT_THREAD

    HEARTBEAT_THREAD.remove(recorder)
    return recorder.id


def _ago(**time):
    return (datetime.now(timezone.utc) - timedelta(**time)).isoformat()


@pytest.mark.integration
@pytest.mark.slow
def test_a_killed_process_leaves_a_run_that_is_swept_and_a_stopped_one_does_not():
    process = script(RUN)
    run_id = process.stdout.readline().strip()
    process.send_signal(signal.SIGSTOP)
    assert find_dead() == sweep(stale_seconds=0) == []
    assert _stored(run_id).status == "RUNNING"
    process.kill()
    # it stays a zombie as long as nobody takes its exit code
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    (dead,) = find_dead("a")
    assert dead.recorder.id == run_id
    assert _stored(run_id).status == "RUNNING"
    process.wait()
    (dead,) = sweep("a")
    swept = _stored(run_id)
    assert swept.status == "FAILED"
    assert f"process {process.pid}" in swept.list_tags()["wf_failure"]
    assert "died without ending its run" in swept.list_tags()["wf_failure"]
    assert own_params(swept) == {"a": "1"}
    assert abs(swept.end_time - dead.last_sign) < timedelta(seconds=1)
    assert sweep() == []


@pytest.mark.integration
def test_the_command_shows_then_sweeps():
    process = script(RUN)
    run_id = process.stdout.readline().strip()
    assert _command().stdout == "0 dead runs set FAILED\n"
    process.kill()
    process.wait()
    answer = _command("--dry-run")
    assert run_id in answer.stdout
    assert "1 dead run found" in answer.stdout
    assert _stored(run_id).status == "RUNNING"
    done = subprocess.run(
        [sys.executable, "-m", "wf_dagster", "sweep", "--experiment", "a"],
        env=environment(), cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert "1 dead run set FAILED" in done.stdout
    assert _stored(run_id).status == "FAILED"
    wrong = _command("--experiment", "zz")
    assert (wrong.exit_code, wrong.stderr) == (
        2,
        "wf-dagster: there is no experiment called 'zz'\n",
    )


def test_a_later_process_with_the_same_id_is_not_taken_for_the_dead_one():
    run_id = _running(started=Heartbeat.now().started - 3600)
    assert [d.recorder.id for d in sweep()] == [run_id]


def test_another_machine_cannot_be_asked_so_only_an_old_heartbeat_counts():
    fresh = _running(host="elsewhere", at=_ago(minutes=10))
    old = _running(host="elsewhere", at=_ago(minutes=20))
    assert [d.recorder.id for d in sweep()] == [old]
    assert "gives no sign of life" in _stored(old).list_tags()["wf_failure"]
    assert _stored(fresh).status == "RUNNING"
    assert [d.recorder.id for d in sweep(stale_seconds=60)] == [fresh]


def test_a_run_that_several_processes_share_is_left_until_all_had_time_to_say_so():
    pid = _dead_pid()
    fresh = _running(pid=pid, shared=True, at=_ago(seconds=60))
    old = _running(pid=pid, shared=True, at=_ago(minutes=5))
    assert [d.recorder.id for d in sweep()] == [old]
    assert _stored(fresh).status == "RUNNING"


def test_runs_without_a_heartbeat_and_runs_that_ended_are_left_alone():
    recorder = R.get_exp(experiment_name="a").create_recorder("x")
    get_client().update_run(recorder.id, status="RUNNING")
    with R.start(experiment_name="a"):
        R.set_tags(**{HEARTBEAT_TAG: str(replace(Heartbeat.now(), pid=_dead_pid()))})
    assert sweep() == []


def test_the_runs_of_this_process_are_never_swept():
    with R.start(experiment_name="a"), parent_run("some-run", "a"):
        assert sweep(stale_seconds=0) == []


def test_a_run_that_goes_on_while_it_is_looked_at_is_left_alone(monkeypatch):
    from wf_dagster.tracking import dead_runs as room

    run_id = _running(pid=_dead_pid())
    dead_runs = list(room._iter_dead(R.get_uri(), [R.get_exp(experiment_name="a").id], "", 900))
    with R.start(experiment_name="a", recorder_id=run_id):
        monkeypatch.setattr(room, "_iter_dead", lambda *_: dead_runs)
        assert room.sweep() == []
    assert _stored(run_id).status == "FINISHED"


def test_an_experiment_that_is_not_there():
    with pytest.raises(ExperimentNotFoundError, match="'zz'"):
        sweep("zz")


def test_a_running_recorder_beats(monkeypatch):
    import time

    from wf_dagster.tracking import heartbeat_thread, mlflow_recorder

    monkeypatch.setattr(heartbeat_thread, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(mlflow_recorder, "BEAT_SECONDS", 0.05)
    with R.start(experiment_name="a"):
        recorder = R.get_recorder()
        first = Heartbeat.parse(recorder.list_tags()[HEARTBEAT_TAG])
        deadline = time.monotonic() + 20
        while Heartbeat.parse(recorder.list_tags()[HEARTBEAT_TAG]).time == first.time:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
