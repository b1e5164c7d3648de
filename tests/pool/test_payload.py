"""What definitions and results are kept as: safe to load, and small."""

from __future__ import annotations

import datetime
import os
import sqlite3

import numpy as np
import pandas as pd
import pytest

from wf_dagster import R
from wf_dagster.errors import PoolError, RecorderNotFoundError, UnsafeObjectError
from wf_dagster.pool import TaskManager, task_documents
from wf_dagster.pool.payload import decode, encode

PLAIN = [
    {"a": (1, [2.5, None]), "b": {"c": True}},
    {"day": datetime.date(2020, 1, 31), "moment": datetime.datetime(2020, 1, 31, 12, 30)},
    {"stamp": pd.Timestamp("2020-01-31").as_unit("ms"), "segments": ("2020-01-01", None)},
    {"$tuple": [1], "x": {"$day": "no date"}},
    {1: "a key that JSON has not", "nan": np.float64(2.5)},
    "text",
    -1.5,
    None,
]


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class OfUser:
    def __init__(self, number):
        self.number = number


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_as_they_were(value):
    back = decode(encode(value, "it"), "it")
    assert back == value
    assert repr(back) == repr(value)  # of the same kinds


def test_a_result_that_would_run_code_is_refused_by_name_and_runs_nothing(file_pool, tmp_path):
    (task_id,) = file_pool.create_task([{"a": 1}])
    file_pool.commit_task_res(file_pool.fetch_task(), RunsCode(tmp_path / "made"))
    with pytest.raises(UnsafeObjectError, match=rf"result of task {task_id} .* names posix\.mkdir"):
        file_pool.re_query(task_id)
    assert not (tmp_path / "made").exists()
    # whoever only looks is not kept from it
    assert file_pool.task_stat({"filter.a": 1}) == {"done": 1}
    assert [task["_id"] for task in file_pool.query(decode=False)] == [task_id]


def test_counting_loads_no_task(file_pool, monkeypatch):
    file_pool.create_task([{"a": 1}, {"a": 2}])

    def no_loading(*_):
        raise AssertionError("a task was loaded")

    monkeypatch.setattr(task_documents, "decode", no_loading)
    assert file_pool.task_stat() == {"waiting": 2}
    assert file_pool.task_stat({"filter.a": 2}) == {"waiting": 1}


def test_a_definition_of_the_users_own_classes_is_loaded_where_they_are_allowed(pool, url, name):
    pool.create_task([{"a": OfUser(3)}])
    with pytest.raises(UnsafeObjectError, match="test_payload"):
        pool.fetch_task()
    assert pool.task_stat() == {"waiting": 1}  # another worker may know them
    task = TaskManager(name, url, allow=[OfUser.__module__]).fetch_task()
    assert task["def"]["a"].number == 3


def test_a_big_result_is_kept_by_a_recorder(file_pool, name):
    (task_id,) = file_pool.create_task([{"a": 1}])
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50_000, 3)), columns=list("abc"))
    file_pool.commit_task_res(file_pool.fetch_task(), frame)
    (encoded,) = file_pool.query({"_id": task_id}, decode=False)
    assert len(encoded["res"]) < 1000
    pd.testing.assert_frame_equal(file_pool.re_query(task_id)["res"], frame)
    (recorder,) = R.get_exp(experiment_name=name, create=False).search()
    assert recorder.status == "FINISHED"
    assert recorder.list_tags()["wf_kind"] == "pool_result"  # no training: nobody collects it

    R.exp_manager.get_exp(experiment_name=name).delete_recorder(recorder.id)
    with pytest.raises(RecorderNotFoundError, match="was deleted: restore it"):
        file_pool.re_query(task_id)


def test_a_recorder_is_kept_as_its_id(file_pool):
    with R.start(experiment_name="e"):
        recorder = R.get_recorder()
    (task_id,) = file_pool.create_task([{"a": 1}])
    file_pool.commit_task_res(file_pool.fetch_task(), {"of": [recorder]})
    (encoded,) = file_pool.query(decode=False)
    assert recorder.id.encode() in encoded["res"]
    assert len(encoded["res"]) < 200
    assert file_pool.re_query(task_id)["res"]["of"] == [recorder]


@pytest.mark.parametrize("content", [b"{", b"\x80\x04", b"\x80\x04not a pickle", b"", b"\xff\xfe"])
def test_a_damaged_result_is_named_with_what_to_do(content, tmp_path):
    path = tmp_path / "tasks.db"
    pool = TaskManager("pool", f"sqlite:///{path}")
    (task_id,) = pool.create_task([{"a": 1}])
    pool.commit_task_res(pool.fetch_task(), 1)
    with sqlite3.connect(path) as connection:
        connection.execute("update wf_tasks set res = ?", (content,))
    with pytest.raises(PoolError, match=rf"task {task_id} in pool 'pool' .*damaged.*reset_status"):
        pool.re_query(task_id)
    pool.reset_status({"_id": task_id}, "waiting")
    pool.commit_task_res(pool.fetch_task(), 2)
    assert pool.re_query(task_id)["res"] == 2
