"""A backfill whose rolls are shared with workers outside Dagster."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from tests.support import task_of
from wf_dagster import TaskManager, init
from wf_dagster.errors import OwnerError
from wf_dagster.orchestration import TaskPoolResource, TrackingResource, build_rolling_assets
from wf_dagster.rolling import RollingGen
from wf_dagster.tasks import fingerprint
from wf_dagster.tracking import Owner, find_recorders, parent_of
from wf_dagster.training import RollJob, run_rolls_in_pool

ROOT = Path(__file__).parents[2]
KEYS = ["2019-01-01", "2019-02-01", "2019-03-01", "2019-04-01", "2019-05-01", "2019-06-01"]
PARTS = ["recorders", "predictions", "labels"]


def _run(instance, fail="", pool=None, keys=KEYS, **kwargs):
    template = task_of(KEYS[0], fail)
    template["dataset"]["kwargs"]["segments"]["test"] = (KEYS[0], "2019-06-28")
    assets = build_rolling_assets(
        "demo",
        template,
        RollingGen("month", rtype=RollingGen.ROLL_SD),
        task_pool=pool or TaskPoolResource(),
        max_workers=1,
    )
    defs = dg.Definitions(assets, resources={"tracking": TrackingResource()})
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[dg.AssetKey(["demo", part]) for part in PARTS],
        instance=instance,
        raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[-1],
        },
        **kwargs,
    )


def _materialized(instance, part="recorders"):
    records = instance.fetch_materializations(dg.AssetKey(["demo", part]), limit=100).records
    return Counter(record.asset_materialization.partition for record in records)


def _worker(*more):
    return subprocess.Popen(
        [sys.executable, "-m", "wf_dagster", "worker", "--pool", "demo", "--processes", "1", *more],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_without_other_workers_the_step_trains_all_itself(instance):
    for runs in (1, 2):
        result = _run(instance)
        assert result.success
        for part in PARTS:
            assert _materialized(instance, part) == dict.fromkeys(KEYS, runs)
        assert len(find_recorders("demo", status=None)) == runs * len(KEYS)
    assert TaskManager("demo").task_stat() == {"done": 2 * len(KEYS)}


def test_a_roll_that_fails_is_named_and_the_others_are_marked(instance):
    result = _run(instance, "raise", TaskPoolResource(max_attempts=2), KEYS[:2])
    assert not result.success
    failure = result.all_events[-1].message + str(result.get_step_failure_events())
    assert "no luck" in failure
    assert _materialized(instance) == {}
    assert TaskManager("demo").task_stat() == {"failed": 2}


@pytest.mark.integration
@pytest.mark.slow
def test_a_worker_takes_its_share_and_its_recorders_are_children_of_the_same_run(instance):
    worker = _worker("--follow", "--experiment", "not_used")
    try:
        assert "no task" in worker.stdout.readline()
        result = _run(instance, "slow")
        assert result.success
    finally:
        worker.terminate()
        output = worker.communicate(timeout=60)[0]
    assert worker.returncode == 0, output
    assert "stopped" in output
    for part in PARTS:
        assert _materialized(instance, part) == dict.fromkeys(KEYS, 1)
    done = Counter(task["worker"] for task in TaskManager("demo").query({"status": "done"}))
    assert len(done) == 2, output
    assert sum(done.values()) == len(KEYS)
    recorders = find_recorders("demo", status=None)
    assert sorted(recorder.list_tags()["roll"] for recorder in recorders) == KEYS
    parent = parent_of(result.run_id, "demo")
    assert {recorder.list_tags()["mlflow.parentRunId"] for recorder in recorders} == {parent}


@pytest.mark.integration
@pytest.mark.slow
def test_a_worker_elsewhere_sees_no_later_prices_than_the_step(instance):
    as_of = "2019-06-10"
    init(as_of=as_of)  # of this process: the worker shares its folder and no more
    worker = _worker("--follow")
    try:
        assert "no task" in worker.stdout.readline()
        assert _run(instance, "slow").success
    finally:
        worker.terminate()
        output = worker.communicate(timeout=60)[0]
    done = Counter(task["worker"] for task in TaskManager("demo").query({"status": "done"}))
    assert len(done) == 2, output
    recorders = find_recorders("demo")
    assert {recorder.list_tags()["data_until"] for recorder in recorders} == {as_of}
    last = max(r.load_object("pred.pkl").index.get_level_values(0).max() for r in recorders)
    assert f"{last:%Y-%m-%d}" == as_of


@pytest.mark.integration
@pytest.mark.slow
def test_what_a_killed_worker_held_is_trained_by_the_step(instance):
    worker = _worker("--follow", "--lease", "3")
    try:
        assert "no task" in worker.stdout.readline()
        pool = TaskManager("demo")
        import threading

        def kill_when_it_holds_one():
            while not any(
                f":{worker.pid}" in str(task.get("worker"))
                for task in pool.query({"status": "running"}, decode=False)
            ):
                time.sleep(0.05)
            worker.send_signal(signal.SIGKILL)

        watcher = threading.Thread(target=kill_when_it_holds_one, daemon=True)
        watcher.start()
        result = _run(instance, "slow", TaskPoolResource(lease=3.0))
        watcher.join(10)
        assert not watcher.is_alive()
    finally:
        worker.kill()
        worker.communicate()
    assert result.success
    assert _materialized(instance) == dict.fromkeys(KEYS, 1)
    assert pool.task_stat() == {"done": len(KEYS)}
    assert len(find_recorders("demo")) == len(KEYS)


def test_a_store_that_does_not_answer_is_one_message(instance):
    result = _run(instance, pool=TaskPoolResource(url="mongodb://127.0.0.1:9/pools"))
    assert not result.success
    assert "mongodb://127.0.0.1:9/pools" in str(result.get_step_failure_events())
    assert _materialized(instance) == {}


def test_what_a_stopped_run_offered_is_withdrawn(instance, tmp_path):
    init(home=tmp_path / "home", max_workers=1)
    result = _run(instance, "exit")
    assert not result.success
    assert TaskManager("demo").task_stat().get("waiting", 0) == 0


def test_the_pool_of_another_owner_is_refused_before_anything_is_offered(instance):
    """Two homes whose strategies have one name, on one task store."""
    theirs = Owner("demo", "desk", "desk.defs")
    TaskManager("demo").create_task([{"task": task_of(KEYS[0]), "owner": theirs.to_json()}])
    jobs = [make_job(KEYS[0])]
    with pytest.raises(OwnerError) as refused:
        [*run_rolls_in_pool(jobs, TaskManager("demo"), owner=Owner("demo", "lab", "lab.defs"))]
    text = str(refused.value)
    assert "the pool 'demo' at " in text
    assert "holds tasks of 'demo' of code location 'desk', module desk.defs" in text
    assert "wf-dagster pool remove demo" in text
    assert TaskManager("demo").task_stat() == {"waiting": 1}
    # one that is named is shared on purpose; a script's run may be anybody's
    (outcome,) = run_rolls_in_pool(jobs, TaskManager("shared"))
    assert outcome.ok
    assert _run(instance, keys=KEYS[:1]).success


def make_job(key):
    task = task_of(key)
    return RollJob(key, "train", "demo", fingerprint(task), task, recorder_name=key)
