"""Every store behaves as Qlib's users know the task manager, and better where that was wrong."""

from __future__ import annotations

import datetime

import pandas as pd
import pytest

from wf_dagster.errors import (
    LeaseError,
    PoolError,
    PoolInputError,
    TaskError,
    TaskNotFoundError,
    WfError,
)
from wf_dagster.pool import TaskManager


def tasks_of(count):
    return [{"model": {"class": "M", "kwargs": {"seed": seed}}} for seed in range(count)]


def seed_of(task):
    return task["def"]["model"]["kwargs"]["seed"]


def test_a_new_task_is_waiting_with_its_definition(pool):
    definition = {"model": ("A", datetime.date(2020, 1, 2)), "from": pd.Timestamp("2020-01-03")}
    (task_id,) = pool.create_task([definition])
    task = pool.re_query(task_id)
    assert task["_id"] == task_id
    assert task["def"] == definition
    assert type(task["def"]["model"]) is tuple
    assert task["filter"] == {"model": ["A", "2020-01-02"], "from": "2020-01-03"}
    assert task["status"] == TaskManager.STATUS_WAITING
    assert "res" not in task
    assert "lease" not in task


def test_ids_come_in_the_order_of_the_definitions(pool):
    ids = pool.create_task(tasks_of(5))
    assert [seed_of(pool.re_query(task_id)) for task_id in ids] == [0, 1, 2, 3, 4]
    assert [task["_id"] for task in pool.query()] == ids


def test_creating_again_inserts_only_what_is_new(pool):
    ids = pool.create_task(tasks_of(3))
    mixed = list(reversed(tasks_of(5)))
    again = pool.create_task(mixed)
    assert again[2:] == list(reversed(ids))
    assert pool.task_stat() == {"waiting": 5}
    assert pool.insert_task_def(mixed[0]).inserted_id == again[0]


def test_equal_definitions_are_one_task_however_they_are_written(file_pool):
    a, b, c = file_pool.create_task(
        [{"x": (1, 2), "y": "2020-01-01"}, {"y": datetime.date(2020, 1, 1), "x": [1, 2]}, {"x": 3}]
    )
    assert a == b != c
    assert file_pool.task_stat() == {"waiting": 2}


def test_a_dry_run_inserts_nothing_and_can_print_what_is_new(file_pool, capsys):
    file_pool.create_task(tasks_of(1))
    assert file_pool.create_task(tasks_of(2), dry_run=True, print_nt=True) == []
    assert capsys.readouterr().out == f"{tasks_of(2)[1]}\n"
    assert file_pool.task_stat() == {"waiting": 1}


def test_no_tasks_are_no_ids(pool):
    assert pool.create_task([]) == []
    assert pool.task_stat() == {}
    assert pool.fetch_task() is None


def test_a_fetched_task_is_running_and_its_result_is_kept(pool):
    (task_id,) = pool.create_task(tasks_of(1))
    task = pool.fetch_task()
    assert task["_id"] == task_id
    assert task["status"] == pool.re_query(task_id)["status"] == "running"
    assert pool.fetch_task() is None
    pool.commit_task_res(task, {"ic": 0.1, "span": (1, None)})
    done = pool.re_query(task_id)
    assert done["status"] == "done"
    assert done["res"] == {"ic": 0.1, "span": (1, None)}


def test_a_commit_sets_the_status_it_is_given(pool):
    pool.create_task(tasks_of(1))
    task = pool.fetch_task()
    pool.commit_task_res(task, "first", status="part_done")
    assert pool.fetch_task() is None
    task = pool.fetch_task(status="part_done")
    assert task["res"] == "first"
    pool.commit_task_res(task, "so far", status="running")
    assert pool.re_query(task["_id"])["res"] == "so far"
    pool.commit_task_res(task, "second", status=None)
    assert pool.re_query(task["_id"])["status"] == "done"


def test_larger_priorities_come_first_then_older_tasks(pool):
    ids = pool.create_task(tasks_of(6))
    for position, priority in ((5, 0.5), (1, 10), (4, 2), (2, -1)):
        pool.prioritize({"_id": ids[position]}, priority)
    assert [seed_of(pool.fetch_task()) for _ in range(6)] == [1, 4, 5, 2, 0, 3]
    assert pool.re_query(ids[1])["priority"] == 10


def test_a_query_restricts_what_is_fetched(pool):
    ids = pool.create_task(tasks_of(4))
    query = {"_id": {"$in": ids[2:]}}
    as_written = repr(query)
    assert pool.fetch_task(query)["_id"] == ids[2]
    assert pool.fetch_task({"filter.model.kwargs.seed": 1, "status": "done"})["_id"] == ids[1]
    assert pool.fetch_task(query)["_id"] == ids[3]
    assert pool.fetch_task(query) is None
    assert repr(query) == as_written


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_leaves_the_block_gives_the_task_back(pool, kind):
    (task_id,) = pool.create_task(tasks_of(1))

    def work():
        with pool.safe_fetch_task():
            assert pool.task_stat() == {"running": 1}
            raise kind("enough")

    with pytest.raises(kind):
        work()
    task = pool.re_query(task_id)
    assert task["status"] == "waiting"
    if kind is ValueError:
        assert (task["attempts"], task["error"]) == (1, "ValueError: enough")
    else:
        assert task["attempts"] == 0
        assert "error" not in task


def test_a_part_done_task_goes_back_to_part_done(pool):
    (task_id,) = pool.create_task(tasks_of(1))
    pool.commit_task_res(pool.fetch_task(), 1, status="part_done")
    with pytest.raises(ValueError, match="no"), pool.safe_fetch_task(status="part_done"):
        raise ValueError("no")
    assert pool.re_query(task_id)["status"] == "part_done"


def test_a_task_that_fails_too_often_is_failed_with_its_last_error(url, name):
    pool = TaskManager(name, url, max_attempts=2)
    (task_id,) = pool.create_task(tasks_of(1))
    for attempt in (1, 2):
        with pytest.raises(ValueError, match="attempt"), pool.safe_fetch_task():
            raise ValueError(f"attempt {attempt}")
    task = pool.re_query(task_id)
    assert (task["status"], task["error"]) == ("failed", "ValueError: attempt 2")
    assert pool.fetch_task() is None
    assert pool.reset_waiting({"status": "failed"}) == 1
    task = pool.re_query(task_id)
    assert (task["status"], task["attempts"]) == ("waiting", 0)
    assert "error" not in task


def test_leaving_the_fetcher_early_gives_only_the_open_task_back(pool):
    pool.create_task(tasks_of(4))
    for position, task in enumerate(pool.task_fetcher_iter()):
        if position == 2:
            break
        pool.commit_task_res(task, position)
    assert pool.task_stat() == {"done": 2, "waiting": 2}
    for task in pool.task_fetcher_iter({"filter.model.kwargs.seed": {"$gte": 3}}):
        pool.commit_task_res(task, None)
    assert pool.task_stat() == {"done": 3, "waiting": 1}


def test_a_returned_task_can_be_fetched_again(pool):
    pool.create_task(tasks_of(1))
    task = pool.fetch_task()
    pool.return_task(task)
    again = pool.fetch_task()
    assert again["_id"] == task["_id"]
    assert again["attempts"] == 1  # to be given back is no attempt
    pool.return_task(task)  # long another fetch's
    assert pool.task_stat() == {"running": 1}


def test_statuses_are_counted_and_reset_by_query(pool):
    ids = pool.create_task(tasks_of(4))
    for _ in range(3):
        pool.fetch_task()
    assert pool.task_stat() == {"running": 3, "waiting": 1}
    assert pool.task_stat({"_id": {"$in": ids[2:]}}) == {"running": 1, "waiting": 1}
    assert pool.reset_waiting({"_id": ids[0]}) == 1
    assert pool.reset_waiting() == 2
    assert pool.reset_status({"_id": {"$ne": ids[0]}}, "done") == 3
    assert pool.task_stat() == {"done": 3, "waiting": 1}


def test_tasks_are_removed_by_query(pool):
    ids = pool.create_task(tasks_of(4))
    assert pool.remove({"_id": {"$nin": ids[:1]}, "status": "waiting"}) == 3
    assert [task["_id"] for task in pool.query()] == ids[:1]
    assert pool.remove() == 1
    assert pool.task_stat() == {}


def test_a_whole_task_can_be_inserted(pool):
    whole = {"def": {"model": "A"}, "status": "part_done", "priority": 3, "res": [1, 2]}
    as_written = dict(whole)
    task_id = pool.insert_task(whole).inserted_id
    assert whole == as_written
    task = pool.re_query(task_id)
    assert {field: task[field] for field in whole} == whole
    assert task["filter"] == {"model": "A"}
    assert pool.insert_task(whole).inserted_id == task_id


def test_a_task_can_be_replaced_under_its_id(pool):
    a, b = pool.create_task([{"model": "A"}, {"model": "B"}])
    pool.prioritize({"_id": a}, 5)
    pool.replace_task({"_id": a}, {"def": {"model": "C"}, "filter": {"kind": "new"}})
    task = pool.re_query(a)
    assert (task["def"], task["filter"], task["status"]) == (
        {"model": "C"},
        {"kind": "new"},
        "waiting",
    )
    assert "priority" not in task
    assert pool.create_task([{"model": "C"}, {"model": "B"}]) == [a, b]
    assert pool.create_task([{"model": "A"}])[0] not in (a, b)
    with pytest.raises(PoolError, match="already holds"):
        pool.replace_task({"_id": a}, {"def": {"model": "B"}})


def test_a_replaced_task_cannot_be_committed_by_who_fetched_the_old_one(pool):
    (task_id,) = pool.create_task([{"model": "A"}])
    old = pool.fetch_task()
    pool.replace_task(old, {"def": {"model": "C"}})
    with pytest.raises(LeaseError):
        pool.commit_task_res(old, "of A")
    assert "res" not in pool.re_query(task_id)


def test_pools_of_one_store_know_nothing_of_each_other(pool, url, name):
    other = TaskManager(f"{name}_other", url)
    mine, theirs = pool.create_task(tasks_of(2)), other.create_task(tasks_of(2))
    assert not set(mine) & set(theirs)
    assert {name, f"{name}_other"} <= set(TaskManager.list(url))
    other.remove()
    assert pool.task_stat() == {"waiting": 2}
    assert f"{name}_other" not in TaskManager.list(url)


def test_definitions_and_results_can_be_left_as_bytes(pool):
    pool.create_task(tasks_of(1))
    (task,) = pool.query(decode=False)
    assert isinstance(task["def"], bytes)


def test_an_unknown_id_is_said(pool):
    for call in (
        lambda: pool.re_query("0" * 24),
        lambda: pool.prioritize({"_id": "0" * 24}, 1),
        lambda: pool.replace_task({"_id": "0" * 24}, {"def": {}}),
    ):
        with pytest.raises(TaskNotFoundError, match="holds no task '000000"):
            call()


def test_a_commit_for_a_task_never_fetched_is_refused(file_pool):
    (task_id,) = file_pool.create_task(tasks_of(1))
    for task in (file_pool.re_query(task_id), {"_id": task_id}):
        with pytest.raises(LeaseError, match="was not fetched"):
            file_pool.commit_task_res(task, 1)
        with pytest.raises(LeaseError, match="was not fetched"):
            file_pool.return_task(task)
    assert file_pool.task_stat() == {"waiting": 1}


def test_a_commit_for_a_removed_task_is_refused(pool):
    pool.create_task(tasks_of(1))
    task = pool.fetch_task()
    pool.remove()
    with pytest.raises(TaskNotFoundError, match="was removed"):
        pool.commit_task_res(task, 1)


def test_an_unknown_status_is_refused_everywhere(file_pool):
    file_pool.create_task(tasks_of(1))
    task = file_pool.fetch_task()
    for call in (
        lambda: file_pool.fetch_task(status="wating"),
        lambda: file_pool.commit_task_res(task, 1, status="wating"),
        lambda: file_pool.return_task(task, status="wating"),
        lambda: file_pool.reset_status({}, "wating"),
        lambda: list(file_pool.query({"status": "wating"})),
        lambda: file_pool.task_stat({"status": {"$in": ["done", "wating"]}}),
        lambda: file_pool.insert_task({"def": {}, "status": "wating"}),
    ):
        with pytest.raises(PoolInputError, match="'wating' is unknown: the statuses are waiting"):
            call()
    assert file_pool.task_stat() == {"running": 1}


def test_running_tasks_are_not_for_the_taking(file_pool):
    with pytest.raises(PoolInputError, match="other workers'"):
        file_pool.fetch_task(status="running")


def test_a_pool_of_qlibs_documents_is_refused_field_by_field(file_pool):
    with pytest.raises(PoolInputError, match="'owner' is unknown"):
        file_pool.insert_task({"def": {}, "owner": "me"})
    with pytest.raises(PoolInputError, match="under 'def'"):
        file_pool.insert_task({"model": {}})
    with pytest.raises(PoolInputError, match="priority 'high' is no number"):
        file_pool.insert_task({"def": {}, "priority": "high"})


def test_nothing_is_inserted_when_one_task_cannot_be_serialised(file_pool):
    with pytest.raises(TaskError, match=r"task\.b"):
        file_pool.create_task([{"a": 1}, {"b": lambda: 1}])
    assert file_pool.task_stat() == {}


@pytest.mark.parametrize("wrong", [None, 5, "abc"])
def test_what_is_no_list_of_definitions_is_refused(file_pool, wrong):
    with pytest.raises(PoolInputError, match="give a list of definitions"):
        file_pool.create_task(wrong)


def test_what_a_store_cannot_hold_is_kept_whole_and_found_by_the_rest(pool):
    odd = [
        {"a": {"nul\0key": "nul\0value"}},
        {"a": 2**70, "backslash": "\\u0000"},
        {"a": float("inf"), "$dollar.dot": 1},
        5,
    ]
    ids = pool.create_task([*odd, {"model": {"class": "A"}}])
    assert [pool.re_query(task_id)["def"] for task_id in ids[:-1]] == odd
    assert [task["_id"] for task in pool.query({"filter.model.class": "A"})] == ids[-1:]
    assert [task["_id"] for task in pool.query({"filter.a": 2**70})] == [ids[1]]
    assert pool.create_task(odd) == ids[:-1]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"a": "\ud800"}, "half of a character"),
        ({"a": "x" * 4_000_001}, r"4,000,00\d bytes.*name a file"),
    ],
    ids=["surrogate", "too big"],
)
def test_a_definition_that_no_store_can_hold_is_refused(file_pool, definition, message):
    with pytest.raises(WfError, match=message):
        file_pool.create_task([{"a": 1}, definition])
    assert file_pool.task_stat() == {}


def test_what_is_no_task_cannot_be_changed(file_pool):
    (task_id,) = file_pool.create_task(tasks_of(1))
    with pytest.raises(PoolInputError, match="is no task: give a dict with its '_id'"):
        file_pool.prioritize(task_id, 1)
    with pytest.raises(PoolInputError, match="is no task"):
        file_pool.replace_task({}, {"def": 1})


def test_a_result_that_cannot_be_serialised_leaves_the_task_with_its_worker(file_pool):
    file_pool.create_task(tasks_of(1))
    task = file_pool.fetch_task()
    with pytest.raises(PoolInputError, match="the result of task"):
        file_pool.commit_task_res(task, lambda: 1)
    assert file_pool.task_stat() == {"running": 1}
    file_pool.commit_task_res(task, 1)
    assert file_pool.task_stat() == {"done": 1}
