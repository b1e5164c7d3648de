"""Tasks whose handler is computed once, and read from a file afterwards."""

from __future__ import annotations

import copy
import pickle

import pytest

import wf_dagster
from tests.qlib.qlib_tasks import ridge, seeded_template
from wf_dagster import TaskError, task_train
from wf_dagster.training import replace_task_handler_with_cache


@pytest.fixture
def task(qlib_folder):
    wf_dagster.init(qlib_provider_uri=str(qlib_folder / "seeded"))
    return seeded_template(ridge())


def test_the_file_is_written_once_and_trains_the_same(task, tmp_path):
    before = copy.deepcopy(task)
    cached = replace_task_handler_with_cache(task, tmp_path / "handlers")
    assert task == before
    (file,) = (tmp_path / "handlers").iterdir()
    assert cached["dataset"]["kwargs"]["handler"] == f"file://{file}"
    assert file.name.startswith("DataHandlerLP.")
    written = file.stat().st_mtime_ns
    assert replace_task_handler_with_cache(task, tmp_path / "handlers") == cached
    assert file.stat().st_mtime_ns == written
    assert pickle.loads(file.read_bytes())._infer is not None  # all of its data
    with_file = task_train(cached, "files").load_object("pred.pkl")
    without = task_train(task, "files").load_object("pred.pkl")
    assert with_file.equals(without)
    assert replace_task_handler_with_cache(cached, tmp_path) == cached


def test_another_definition_is_another_file(task, tmp_path):
    replace_task_handler_with_cache(task, tmp_path / "handlers")
    other = copy.deepcopy(task)
    other["dataset"]["kwargs"]["handler"]["kwargs"]["start_time"] = "2019-03-01"
    replace_task_handler_with_cache(other, tmp_path / "handlers")
    assert len([*(tmp_path / "handlers").iterdir()]) == 2


def test_a_dataset_without_a_handler_is_named():
    with pytest.raises(TaskError, match=r"dataset\.kwargs\.handler is missing"):
        replace_task_handler_with_cache({"model": "a.B", "dataset": {"class": "c.D"}})
