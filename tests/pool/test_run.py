"""Work through a pool with a function, and wait for others."""

from __future__ import annotations

import os
import threading
import time

import pytest

from wf_dagster.errors import PoolInputError
from wf_dagster.pool import TaskManager, run_task


def plus(value, more=1):
    return (value["n"] if isinstance(value, dict) else value) + more


def process_of(value):
    return os.getpid()


@pytest.mark.parametrize(
    ("before", "after", "start", "left"),
    [
        ("waiting", "done", 0, {"done": 3}),
        ("waiting", "part_done", 0, {"part_done": 3}),
        ("part_done", "part_done", 5, {"part_done": 3}),
        ("part_done", "done", 5, {"done": 3}),
    ],
)
def test_each_of_the_four_ways_gives_every_task_to_the_function_once(
    pool, before, after, start, left
):
    ids = pool.create_task([{"n": n} for n in range(3)])
    if before == "part_done":
        assert run_task(plus, pool, after_status="part_done", more=5)
    assert run_task(plus, pool, before_status=before, after_status=after, more=10)
    assert [pool.re_query(task_id)["res"] for task_id in ids] == [start + 10 + n for n in range(3)]
    assert pool.task_stat() == left
    if before != after:
        assert not run_task(plus, pool, before_status=before, after_status=after)


def test_a_query_says_which_tasks_and_the_pool_may_be_a_name():
    pool = TaskManager("pool")
    pool.create_task([{"n": n} for n in range(3)])
    query = {"filter.n": {"$gte": 1}}
    assert run_task(plus, "pool", query)
    assert query == {"filter.n": {"$gte": 1}}
    assert [task["status"] for task in pool.query()] == ["waiting", "done", "done"]


def test_an_exception_goes_on_and_its_task_goes_back(pool):
    pool.create_task([{"n": 1}])

    def fails(value):
        raise ValueError("no luck")

    for attempt in (1, 2):
        with pytest.raises(ValueError, match="no luck"):
            run_task(fails, pool)
        (task,) = pool.query()
        assert (task["status"], task["attempts"]) == ("waiting", attempt)
        assert task["error"] == "ValueError: no luck"
    assert run_task(plus, pool)
    (task,) = pool.query()
    assert (task["status"], task["res"]) == ("done", 2)
    assert "error" not in task


def test_force_release_uses_a_process_for_each_task(file_pool):
    pool = file_pool
    pool.create_task([{"n": 1}, {"n": 2}])
    assert run_task(process_of, pool, force_release=True)
    processes = {task["res"] for task in pool.query()}
    assert len(processes) == 2
    assert os.getpid() not in processes


@pytest.mark.parametrize("before", ["done", "running", "failed"])
def test_tasks_are_fetched_from_waiting_or_part_done_only(before, file_pool):
    with pytest.raises(PoolInputError, match=f"'{before}': tasks are fetched from"):
        run_task(plus, file_pool, before_status=before)


def test_waiting_ends_when_others_have_done_the_tasks(pool, url, name):
    pool.create_task([{"n": n} for n in range(3)])
    task = pool.fetch_task()

    def work():
        time.sleep(0.3)
        pool.commit_task_res(task, 1)
        run_task(plus, TaskManager(name, url), {"filter.n": {"$lt": 2}})

    worker = threading.Thread(target=work)
    worker.start()
    assert pool.wait({"filter.n": {"$lt": 2}}, interval=0.05) == {"done": 2}
    worker.join()
    with pytest.raises(TimeoutError, match=r"1 tasks are not done after 0\.2 s.*start a worker"):
        pool.wait(interval=0.05, timeout=0.2)
    assert pool.wait(until=("waiting", "done")) == {"done": 2, "waiting": 1}
