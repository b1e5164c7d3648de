"""A task of a pool carries what workers elsewhere do not know of its market."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.support import task_of
from wf_dagster import TaskManager, TrainerRM, init
from wf_dagster.market import Market
from wf_dagster.tasks import AS_OF, fingerprint
from wf_dagster.tracking import R, find_recorders
from wf_dagster.training import PoolJob, RollJob, run_pool_tasks, run_rolls_in_pool
from wf_dagster.training.pool_jobs import carry_market
from wf_dagster.training.task_market import place_market, take_market

MONTH, AS_OF_SESSION = "2020-03-01", "2020-03-20"


@pytest.fixture
def prices(tmp_path):
    """Prices of the user's own: those of the sample, in a file."""
    path = tmp_path / "prices.parquet"
    Market("sample").prices.load().to_parquet(path)
    return path


def last_day(recorder):
    return recorder.load_object("pred.pkl").index.get_level_values("datetime").max()


def test_tasks_of_the_settings_market_are_those_of_older_pools():
    task = task_of(MONTH)
    pool = TaskManager("pool")
    (old,) = pool.create_task([task])
    assert pool.create_task([carry_market(task, None), carry_market(task, Market())]) == [old, old]

    (replayed,) = pool.create_task([{**task, AS_OF: AS_OF_SESSION}])
    assert replayed != old
    assert pool.create_task([carry_market(task, Market(as_of=AS_OF_SESSION))]) == [replayed]
    init(as_of=AS_OF_SESSION)
    assert pool.create_task([carry_market(task, None)]) == [replayed]
    assert pool.create_task([carry_market(task, Market(as_of="2020-12-31"))]) == [replayed]


def test_who_fetches_a_task_gets_its_market_and_the_task_without_it(prices):
    task = task_of(MONTH)
    market = Market(prices, "XNYS", as_of=AS_OF_SESSION)
    pool = TaskManager("pool")
    ids = pool.create_task([carry_market(task, market), carry_market(task, None)])
    assert len(set(ids)) == 2
    jobs = [PoolJob(pool).make_roll_job(pool.fetch_task()) for _ in ids]
    assert [job.market for job in jobs] == [market, None]
    assert [job.task for job in jobs] == [task, task]


def test_a_worker_trains_a_task_on_the_market_that_it_carries(prices):
    market = Market(prices, "XNYS", as_of=AS_OF_SESSION)
    pool = TaskManager("pool")
    pool.create_task([{"task": carry_market(task_of(MONTH), market), "experiment_name": "e"}])
    (outcome,) = run_pool_tasks(PoolJob(pool), processes=1)
    assert outcome.error is None
    (recorder,) = find_recorders("e")
    assert recorder.list_tags()["data_until"] == AS_OF_SESSION
    assert last_day(recorder) == pd.Timestamp(AS_OF_SESSION)
    assert recorder.list_tags()["fingerprint"] == fingerprint(task_of(MONTH))
    assert recorder.load_object("task") == task_of(MONTH)


def test_rolls_are_offered_with_their_market(prices):
    task, market = task_of(MONTH), Market(prices, "XNYS", as_of=AS_OF_SESSION)
    pool = TaskManager("pool")
    job = RollJob(MONTH, "train", "e", fingerprint(task), task, recorder_name=MONTH, market=market)
    (outcome,) = run_rolls_in_pool([job], pool, max_workers=1)
    assert outcome.error is None
    recorder = R.get_recorder(recorder_id=outcome.recorder_id)
    assert last_day(recorder) == pd.Timestamp(AS_OF_SESSION)
    (offered,) = pool.query()
    assert take_market(offered["def"]["task"]) == (task, market)


def test_a_trainer_offers_the_market_that_a_task_carries(prices):
    market = Market(prices, "XNYS", as_of=AS_OF_SESSION)
    init(max_workers=1)
    (recorder,) = TrainerRM("e", "pool").train([place_market(task_of(MONTH), market)])
    assert last_day(recorder) == pd.Timestamp(AS_OF_SESSION)
    (offered,) = TaskManager("pool").query()
    assert take_market(offered["def"]) == (task_of(MONTH), market)
