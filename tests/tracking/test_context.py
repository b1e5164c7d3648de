"""Recorders side by side: nested, in threads, in asyncio tasks, in forked processes."""

from __future__ import annotations

import asyncio
import contextvars
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.tracking.support import own_params, run
from wf_dagster import R
from wf_dagster.errors import RecorderNotFoundError
from wf_dagster.tracking import find_recorders


def test_a_nested_start_leaves_the_outer_one_as_it_was():
    with R.start(experiment_name="a", recorder_name="outer"):
        outer = R.get_recorder()
        R.log_params(where="outer")
        with R.start(experiment_name="b", recorder_name="inner"):
            R.log_params(where="inner")
            inner = R.get_recorder()
            assert R.get_exp().name == "b"
        assert inner.status == "FINISHED"
        assert R.get_recorder() == outer
        assert R.get_exp().name == "a"
        R.log_metrics(after=1.0)
    assert own_params(outer) == {"where": "outer"}
    assert outer.list_metrics() == {"after": 1.0}
    assert own_params(inner) == {"where": "inner"}


def test_a_block_ends_what_was_started_inside_it_and_left_open():
    with R.start(experiment_name="a"):
        outer = R.get_recorder()
        R.start_exp(experiment_name="b")
        left_open = R.get_recorder()
        assert left_open != outer
    assert (outer.status, left_open.status) == ("FINISHED", "FINISHED")


def test_start_exp_and_end_exp_nest_as_well():
    R.start_exp(experiment_name="a")
    outer = R.get_recorder()
    R.start_exp(experiment_name="b")
    inner = R.get_recorder()
    R.end_exp("FAILED")
    assert (inner.status, R.get_recorder()) == ("FAILED", outer)
    R.end_exp()
    assert outer.status == "FINISHED"
    R.end_exp()  # nothing is open any more


def test_two_threads_log_into_their_own_recorders():
    both_started = threading.Barrier(2)

    def work(name):
        with R.start(experiment_name="a", recorder_name=name):
            both_started.wait()
            for step in range(20):
                R.log_params(**{f"p{step}_{name}": name})
                R.log_metrics(step=step, value=ord(name))
            return R.get_recorder()

    with ThreadPoolExecutor(2) as pool:
        for name, recorder in zip("xy", pool.map(work, "xy"), strict=True):
            assert set(own_params(recorder).values()) == {name}
            assert len(own_params(recorder)) == 20
            assert recorder.list_metrics() == {"value": ord(name)}
            assert recorder.info["status"] == "FINISHED"


def test_two_asyncio_tasks_log_into_their_own_recorders():
    async def work(name):
        with R.start(experiment_name="a", recorder_name=name):
            for step in range(5):
                await asyncio.sleep(0)
                R.log_params(**{f"p{step}": name})
            return R.get_recorder()

    async def main():
        with R.start(experiment_name="a", recorder_name="outer"):
            recorders = await asyncio.gather(work("x"), work("y"))
            assert R.get_recorder().name == "outer"
            assert await asyncio.create_task(inherits()) == "outer"
        return recorders

    async def inherits():
        return R.get_recorder().name

    for name, recorder in zip("xy", asyncio.run(main()), strict=True):
        assert set(own_params(recorder).values()) == {name}


def test_a_thread_is_not_given_somebody_elses_recorder_nor_a_new_one():
    with R.start(experiment_name="a"), ThreadPoolExecutor(1) as pool:
        with pytest.raises(RecorderNotFoundError, match="copy_context"):
            pool.submit(R.log_params, a=1).result()
        pool.submit(contextvars.copy_context().run, R.log_params, a=1).result()
        assert own_params(R.get_recorder()) == {"a": "1"}
    assert len(find_recorders("a")) == 1


def test_a_recorder_that_was_ended_in_a_task_is_active_no_more():
    async def end():
        R.end_exp("FINISHED")

    R.start_exp(experiment_name="a")
    asyncio.run(end())
    with pytest.raises(RecorderNotFoundError):
        R.get_recorder()


def test_a_running_recorder_found_by_id_is_the_running_one():
    with R.start(experiment_name="a"):
        R.log_params(a=1)
        assert own_params(R.get_recorder(recorder_id=R.get_recorder().id)) == {"a": "1"}
        (listed,) = R.list_recorders().values()
        assert own_params(listed) == {"a": "1"}


def test_equality_and_hash_are_by_id():
    with R.start(experiment_name="a"):
        first = R.get_recorder()
    again = R.get_recorder(recorder_id=first.id)
    assert again is not first
    assert again == first
    assert len({first, again}) == 1
    with R.start(experiment_name="a"):
        assert R.get_recorder() != first


@pytest.mark.integration
def test_a_pickled_recorder_works_in_another_process():
    with R.start(experiment_name="a", recorder_name="x"):
        recorder = R.get_recorder()
        R.log_params(a=1)
        R.save_objects(thing={"b": 2})
        done = run(
            "import pickle\n"
            "r = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
            "assert r.list_params()['a'] == '1'\n"
            "assert r.load_object('thing') == {'b': 2}\n"
            "r.set_tags(seen='yes'); r.log_metrics(m=3.0); r.save_objects(other=[1])\n",
            pickle.dumps(recorder).hex(),
        )
        assert done.returncode == 0, done.err
        assert recorder.list_tags()["seen"] == "yes"
        assert recorder.list_metrics() == {"m": 3.0}
        R.set_tags(after="too")
    again = R.get_recorder(recorder_id=recorder.id)
    assert again.load_object("other") == [1]
    assert (again.status, again.list_tags()["after"]) == ("FINISHED", "too")


FORKED = """
import multiprocessing
def work(n):
    R.start_exp(experiment_name="a", recorder_name=f"child{n}")  # left open
    R.log_params(n=n)
context = multiprocessing.get_context("fork")
with R.start(experiment_name="a", recorder_name="parent"):
    R.log_params(before=1)
    children = [context.Process(target=work, args=(n,)) for n in range(3)]
    [c.start() for c in children]; [c.join() for c in children]
    assert [c.exitcode for c in children] == [0, 0, 0]
    # a bare fork that leaves through the block must not end its parent's recorder
    if not (pid := os.fork()):
        raise SystemExit(3)
    assert os.waitpid(pid, 0)[1] >> 8 == 3
    assert R.get_recorder().status == "RUNNING"
    R.log_params(after=1)
print("done")
"""


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_forked_processes_have_recorders_of_their_own():
    done = run(FORKED)
    assert done.out == "done\n", done.err
    recorders = {r.name: r for r in R.list_recorders(experiment_name="a").values()}
    assert {name: own_params(r) for name, r in recorders.items()} == {
        "parent": {"before": "1", "after": "1"},
        **{f"child{n}": {"n": str(n)} for n in range(3)},
    }
    assert {r.status for r in recorders.values()} == {"FINISHED"}
