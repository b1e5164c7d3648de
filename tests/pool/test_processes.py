"""Many processes on one pool: each task is created once, worked on by one, and never lost."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest

from tests.pool import workers
from tests.pool.conftest import STORES
from tests.pool.waiting import until
from wf_dagster.pool import TaskManager

pytestmark = pytest.mark.integration

# WF_TEST_POOL_TASKS=10000 for the size that the project promises
TASKS = int(os.environ.get("WF_TEST_POOL_TASKS", "300"))


@pytest.mark.parametrize(
    ("processes", "tasks"),
    [pytest.param(3, 40), pytest.param(8, TASKS, marks=pytest.mark.slow)],
)
def test_processes_that_create_the_same_tasks_insert_each_once(
    url, name, tmp_path, processes, tasks
):
    creators = workers.Siblings(tmp_path, [("create", url, name, tasks)] * processes)
    assert creators.wait() == [0] * processes, creators.read_outputs()
    outputs = set(creators.read_outputs())
    assert len(outputs) == 1
    ids = outputs.pop().split()
    pool = TaskManager(name, url)
    assert len(set(ids)) == tasks
    assert pool.task_stat() == {"waiting": tasks}
    assert [task["def"]["seed"] for task in pool.query({"_id": {"$in": ids}})] == [
        pool.re_query(task_id)["def"]["seed"] for task_id in sorted(ids)
    ]


@pytest.mark.parametrize(
    ("store", "processes", "killed", "tasks", "lease"),
    [
        pytest.param("sqlite", 3, 1, 24, 3.0),
        *(pytest.param(store, 8, 2, TASKS, 8.0, marks=pytest.mark.slow) for store in STORES),
    ],
)
def test_workers_some_of_them_killed_do_every_task_once(
    store, processes, killed, tasks, lease, locate, name, tmp_path
):
    url = locate(store, tmp_path)
    pool = TaskManager(name, url)
    ids = pool.create_task(workers.definitions(tasks))
    logs = [tmp_path / f"{number}.log" for number in range(processes)]
    siblings = workers.Siblings(
        tmp_path, [("work", url, name, str(log), lease, 0.1) for log in logs]
    )
    victims = siblings.pids[:killed]
    try:
        until(lambda: pool.task_stat().get("done", 0) >= tasks // 2, seconds=300)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        codes = siblings.wait()
    finally:
        siblings.kill()
    assert codes == [-signal.SIGKILL] * killed + [0] * (processes - killed), siblings.read_outputs()
    assert pool.task_stat() == {"done": tasks}

    lines = [line.split() for log in logs for line in log.read_text().splitlines()]
    fetched = Counter(task_id for event, task_id, _ in lines if event == "fetched")
    done = Counter(task_id for event, task_id, _ in lines if event == "done")
    lost = {
        task_id
        for event, task_id, pid in lines
        if event == "fetched" and int(pid) in victims and ["done", task_id, pid] not in lines
    }
    assert set(fetched) == set(ids)
    assert len(lost) <= killed
    # only what a killed worker had in its hands was handed out again
    assert {task_id for task_id, times in fetched.items() if times > 1} <= lost
    assert all(times == 1 for times in done.values())
    results = {task["_id"]: task["res"] for task in pool.query()}
    assert [results[task_id]["seed"] for task_id in ids] == list(range(tasks))
