"""Many processes on one pool: each task is created once, worked on by one, and never lost."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

import pytest

from tests.pool import workers
from wf_dagster.pool import TaskManager

pytestmark = pytest.mark.integration

# WF_TEST_POOL_TASKS=10000 for the size that the project promises
TASKS = int(os.environ.get("WF_TEST_POOL_TASKS", "300"))


def test_eight_processes_that_create_the_same_tasks_insert_each_once(url, name):
    creators = [workers.spawn("create", url, name, TASKS) for _ in range(8)]
    answers = [creator.communicate(timeout=300) for creator in creators]
    assert [creator.returncode for creator in creators] == [0] * 8, answers[0][1]
    lists = {out for out, _ in answers}
    assert len(lists) == 1
    ids = lists.pop().split()
    pool = TaskManager(name, url)
    assert len(set(ids)) == TASKS
    assert pool.task_stat() == {"waiting": TASKS}
    assert [task["def"]["seed"] for task in pool.query({"_id": {"$in": ids}})] == [
        pool.re_query(task_id)["def"]["seed"] for task_id in sorted(ids)
    ]


def test_eight_workers_two_of_them_killed_do_every_task_once(url, name, tmp_path):
    pool = TaskManager(name, url)
    ids = pool.create_task(workers.definitions(TASKS))
    logs = [tmp_path / f"{number}.log" for number in range(8)]
    processes = [workers.spawn("work", url, name, str(log), 8.0, 0.1) for log in logs]
    try:
        while pool.task_stat().get("done", 0) < TASKS // 2:
            assert all(process.poll() is None for process in processes), "a worker died by itself"
            time.sleep(0.05)
        for process in processes[:2]:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            process.wait(timeout=300)
    finally:
        for process in processes:
            process.kill()
    assert pool.task_stat() == {"done": TASKS}
    assert [process.returncode for process in processes] == [-signal.SIGKILL] * 2 + [0] * 6

    killed = {str(process.pid) for process in processes[:2]}
    lines = [line.split() for log in logs for line in log.read_text().splitlines()]
    fetched = Counter(task_id for what, task_id, _ in lines if what == "fetched")
    done = Counter(task_id for what, task_id, _ in lines if what == "done")
    lost = {
        task_id
        for what, task_id, pid in lines
        if what == "fetched" and pid in killed and ["done", task_id, pid] not in lines
    }
    assert set(fetched) == set(ids)
    assert len(lost) <= 2
    # only what a killed worker had in its hands was handed out again
    assert {task_id for task_id, times in fetched.items() if times > 1} <= lost
    assert all(times == 1 for times in done.values())
    results = {task["_id"]: task["res"] for task in pool.query()}
    assert [results[task_id]["seed"] for task_id in ids] == list(range(TASKS))
