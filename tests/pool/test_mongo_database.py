"""The MongoDB database of the task store, for what goes beyond a pool."""

from __future__ import annotations

import pytest

import wf_dagster
from wf_dagster.errors import PoolInputError
from wf_dagster.pool import TaskManager, get_mongodb


def test_it_is_the_one_that_pools_are_in(mongodb):
    wf_dagster.init(task_store=mongodb)
    TaskManager("seen_by_hand").create_task([{"model": "A"}, {"model": "B"}])
    database = get_mongodb()
    assert "seen_by_hand" in database.list_collection_names()
    assert database["seen_by_hand"].count_documents({"status": "waiting"}) == 2


def test_another_store_is_named(file_url):
    wf_dagster.init(task_store=file_url)
    with pytest.raises(PoolInputError, match=r"the task store is sqlite:.*, no MongoDB: give"):
        get_mongodb()
