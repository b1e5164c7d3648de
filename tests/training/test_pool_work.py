"""Work through a pool: no task stops the others, whatever is wrong with it."""

from __future__ import annotations

import sqlite3

import pytest

from tests.support import task_of
from wf_dagster import TaskManager
from wf_dagster.training.pool_jobs import PoolJob
from wf_dagster.training.pool_tasks import UNREADABLE, run_pool_tasks


class NotAllowed:
    pass


@pytest.mark.parametrize(
    ("definition", "key", "message"),
    [
        (5, None, "the definition 5 is no task"),
        ({"task": "x"}, None, "the definition 'x' is no task"),
        ({"model": NotAllowed()}, UNREADABLE, "NotAllowed, which may run code"),
        ({"model": "damaged"}, UNREADABLE, "damaged"),
    ],
    ids=["number", "text", "unsafe", "damaged"],
)
def test_a_task_that_is_none_is_failed_and_the_others_are_trained(home, definition, key, message):
    pool = TaskManager("pool", max_attempts=2)
    wrong, right = pool.create_task([definition, task_of("2019-01-01")])
    if message == "damaged":
        with sqlite3.connect(home / "tasks.db") as connection:
            connection.execute("update wf_tasks set def = ? where _id = ?", (b"{", wrong))
    outcomes = list(run_pool_tasks(PoolJob(pool, experiment_name="e"), processes=1))
    assert outcomes[-1].ok
    assert outcomes[-1].key == right
    assert {outcome.key for outcome in outcomes[:-1]} == {key or wrong}
    assert all(message in outcome.error for outcome in outcomes[:-1])
    assert pool.task_stat() == {"done": 1, "failed": 1}
    (failed,) = pool.query({"status": "failed"}, decode=False)
    assert message in failed["error"]
