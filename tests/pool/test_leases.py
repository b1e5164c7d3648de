"""A task belongs to its worker for as long as the worker lives, and no longer."""

from __future__ import annotations

import signal
import time

import pytest

from tests.pool import workers
from tests.pool.conftest import FILE_AND_SLOW_SERVERS
from tests.pool.waiting import until
from wf_dagster.errors import LeaseError
from wf_dagster.pool import TaskManager, leases
from wf_dagster.pool.stores import open_store

pytestmark = pytest.mark.integration
of_processes = pytest.mark.parametrize("url", FILE_AND_SLOW_SERVERS, indirect=True)


def abandon(pool, task):
    """What is left of a task whose worker died: a lease that nobody renews."""
    leases.stop_renewing(open_store(pool._url, pool._patience), task["lease"])


def test_a_lease_outlives_its_length_while_its_worker_lives(url, name):
    pool = TaskManager(name, url, lease=0.4)
    pool.create_task(workers.definitions(1))
    task = pool.fetch_task()
    time.sleep(1.2)
    assert TaskManager(name, url).fetch_task() is None
    pool.commit_task_res(task, 1)
    assert pool.task_stat() == {"done": 1}


def test_a_task_of_a_manager_that_is_gone_is_still_held(file_url, name):
    TaskManager(name, file_url).create_task(workers.definitions(1))
    task = TaskManager(name, file_url, lease=0.4).fetch_task()
    time.sleep(1)
    other = TaskManager(name, file_url)
    assert other.fetch_task() is None
    other.commit_task_res(task, 1)
    assert other.re_query(task["_id"])["res"] == 1


@pytest.mark.parametrize("status", ["waiting", "part_done"])
def test_a_lease_that_ran_out_is_handed_out_again_where_it_came_from(url, name, status):
    pool = TaskManager(name, url, lease=0.2)
    (task_id,) = pool.create_task(workers.definitions(1))
    pool.reset_status({}, status)
    dead = pool.fetch_task(status=status)
    abandon(pool, dead)
    time.sleep(0.3)
    other = TaskManager(name, url)
    assert other.fetch_task(status="done") is None
    assert other.re_query(task_id)["error"] == leases.LOST
    task = other.fetch_task(status=status)
    assert task["_id"] == task_id
    assert task["attempts"] == 2
    with pytest.raises(LeaseError, match="not this worker's any more"):
        pool.commit_task_res(dead, "late")
    other.commit_task_res(task, "in time")
    with pytest.raises(LeaseError):
        pool.commit_task_res(dead, "later still")
    assert other.re_query(task_id)["res"] == "in time"
    assert "error" not in other.re_query(task_id)


def test_a_task_whose_workers_keep_dying_is_failed(url, name):
    pool = TaskManager(name, url, lease=0.1, max_attempts=2)
    (task_id,) = pool.create_task(workers.definitions(1))
    for _ in range(2):
        abandon(pool, pool.fetch_task())
        time.sleep(0.15)
    assert pool.fetch_task() is None
    task = pool.re_query(task_id)
    assert (task["status"], task["error"]) == ("failed", leases.LOST)
    assert pool.wait() == {"failed": 1}


def test_a_reset_takes_the_task_from_its_worker(pool):
    (task_id,) = pool.create_task(workers.definitions(1))
    task = pool.fetch_task()
    pool.reset_waiting()
    with pytest.raises(LeaseError):
        pool.commit_task_res(task, 1)
    assert pool.fetch_task()["_id"] == task_id


@of_processes
def test_a_killed_workers_task_comes_back(url, name):
    pool = TaskManager(name, url, lease=5)
    pool.create_task(workers.definitions(1))
    worker = workers.spawn("fetch_and_hang", url, name, 0.5)
    try:
        task_id = worker.stdout.readline().strip()
        time.sleep(1)  # it lives, and renews
        assert pool.fetch_task() is None
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        until(lambda: pool.reap() == 1)
        assert pool.fetch_task()["_id"] == task_id
    finally:
        worker.kill()


@of_processes
def test_a_worker_that_was_frozen_cannot_commit_what_is_anothers(url, name):
    pool = TaskManager(name, url)
    pool.create_task(workers.definitions(1))
    worker = workers.spawn("fetch_and_commit_when_told", url, name, 0.5)
    try:
        task_id = worker.stdout.readline().strip()
        worker.send_signal(signal.SIGSTOP)
        until(lambda: pool.reap() == 1)
        task = pool.fetch_task()
        assert task["_id"] == task_id
        worker.send_signal(signal.SIGCONT)
        pool.commit_task_res(task, "theirs")
        out, err = worker.communicate("now\n", timeout=60)
        assert out.startswith("LeaseError"), out + err
        assert pool.re_query(task_id)["res"] == "theirs"
    finally:
        worker.kill()
