"""A store that is down, refuses the login, or goes away in the middle."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa

from tests.pool.servers import Mongo, Postgres, free_port, require_postgres
from tests.pool.waiting import until
from wf_dagster.errors import PoolInputError, PoolStoreError
from wf_dagster.pool import TaskManager
from wf_dagster.pool.stores import mongo
from wf_dagster.pool.stores.store_retry import RetryPolicy, call_with_retry

pytestmark = pytest.mark.integration
AWAY = 0.3  # seconds; the patience is what counts


@pytest.fixture(scope="module", params=[Mongo, Postgres])
def server(request):
    """One of these tests' own, to be stopped."""
    if request.param is Postgres:
        require_postgres()
    server = request.param()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def quick_to_give_up(monkeypatch):
    """MongoDB's driver looks for a server for a moment only."""
    monkeypatch.setattr(mongo, "CONNECT_SECONDS", 0.2)


def _go_away(server, seconds=AWAY):
    server.stop()
    back = threading.Timer(seconds, server.start)
    back.start()
    return back


def test_a_store_that_comes_back_costs_a_delay_and_nothing_else(server, name, caplog):
    pool = TaskManager(name, server.url)
    pool.create_task([{"i": i} for i in range(2)])
    task = pool.fetch_task()
    started = time.monotonic()
    back = _go_away(server)
    pool.commit_task_res(task, "kept")
    back.join()
    assert time.monotonic() - started > AWAY
    assert "waiting for it" in caplog.text
    assert "opology" not in caplog.text
    assert pool.task_stat() == {"done": 1, "waiting": 1}
    assert pool.re_query(task["_id"])["res"] == "kept"


@pytest.mark.slow
def test_every_call_waits_for_a_store_that_comes_back(server, name):
    pool = TaskManager(name, server.url, lease=60)
    ids = pool.create_task([{"i": i} for i in range(4)])
    task = pool.fetch_task()
    calls = [
        lambda: pool.commit_task_res(task, "kept"),
        lambda: pool.create_task([{"i": i} for i in range(6)]),
        lambda: pool.fetch_task(),
        lambda: pool.task_stat(),
    ]
    answers = []
    for call in calls:
        started = time.monotonic()
        back = _go_away(server, seconds=2.0)
        answers.append(call())
        back.join()
        assert time.monotonic() - started > 1
    assert answers[1][:4] == ids
    assert answers[2]["_id"] == ids[1]
    assert answers[3] == {"done": 1, "running": 1, "waiting": 4}
    assert pool.re_query(ids[0])["res"] == "kept"
    pool.return_task(answers[2])


def test_a_store_that_stays_away_is_a_clear_error_and_the_task_can_still_be_committed(
    server, name, quick_to_give_up
):
    pool = TaskManager(name, server.url, patience=0.2)
    pool.create_task([{"i": 1}])
    task = pool.fetch_task()
    server.stop()
    for call in (
        lambda: pool.commit_task_res(task, 1),
        lambda: pool.create_task([{"i": 2}]),
        lambda: list(pool.query()),
    ):
        with pytest.raises(PoolStoreError, match=r"has not answered for \d+ s .*start the store"):
            call()
    server.start()
    patient = TaskManager(name, server.url)  # a server that has just started may be slow
    patient.commit_task_res(task, 1)
    assert patient.task_stat() == {"done": 1}


@pytest.mark.slow
def test_a_worker_whose_store_goes_away_keeps_its_task(server, name):
    pool = TaskManager(name, server.url, lease=4)
    pool.create_task([{"i": 1}])
    with pool.safe_fetch_task() as task:
        _go_away(server, seconds=2.0).join()
        time.sleep(2.5)  # past the lease that it had when the store went away
        assert TaskManager(name, server.url).fetch_task() is None
        pool.commit_task_res(task, 1)
    assert pool.re_query(task["_id"])["attempts"] == 1


def test_a_lease_is_renewed_again_after_an_outage(server, name):
    pool = TaskManager(name, server.url, lease=8)
    pool.create_task([{"i": 1}])
    with pool.safe_fetch_task() as task:
        (before,) = pool.query(decode=False)
        _go_away(server, seconds=0).join()
        until(lambda: pool.task_stat({"lease_until": {"$gt": before["lease_until"]}}))
        pool.commit_task_res(task, 1)
    assert pool.re_query(task["_id"])["attempts"] == 1


def test_a_store_that_is_away_when_the_block_fails_hides_no_error(server, name, quick_to_give_up):
    pool = TaskManager(name, server.url, patience=0, lease=0.5)
    pool.create_task([{"i": 1}])
    with pytest.raises(KeyError, match="mine"), pool.safe_fetch_task() as task:  # noqa: PT012
        server.stop()
        raise KeyError("mine")
    server.start()
    other = TaskManager(name, server.url)
    until(other.reap)
    with other.safe_fetch_task() as again:
        assert again["_id"] == task["_id"]
        other.commit_task_res(again, 1)


@pytest.mark.parametrize(
    "url", ["mongodb://me:hunter2@127.0.0.1:{}/x", "postgresql://me:hunter2@127.0.0.1:{}/x"]
)
def test_a_store_that_is_down_is_an_error_at_once_without_the_password(url, quick_to_give_up):
    started = time.monotonic()
    port = free_port()
    for call in (TaskManager.list, lambda address: TaskManager("pool", address)):
        with pytest.raises(
            PoolStoreError, match=rf"me:\*\*\*@127\.0\.0\.1:{port}/x does not answer.*WF_TASK_STORE"
        ) as caught:
            call(url.format(port))
        assert "hunter2" not in str(caught.value)
    assert time.monotonic() - started < 20  # though the patience is a minute


def test_a_store_that_refuses_the_login_says_so_without_the_password(postgresql):
    engine = sa.create_engine(postgresql.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS guarded")
        connection.exec_driver_sql("CREATE ROLE guarded SUPERUSER LOGIN PASSWORD 'right'")
    engine.dispose()
    url = postgresql.replace("//wf@", "//guarded:right@")
    assert TaskManager("pool", url).task_stat() == {}
    with pytest.raises(PoolStoreError, match=r"refuses the login .*check the user") as caught:
        TaskManager("pool", url.replace("right", "hunter2"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("required", "outcome"), [("1", pytest.fail), ("", pytest.skip)])
def test_postgresql_is_only_passed_over_where_it_is_not_required(monkeypatch, required, outcome):
    monkeypatch.setattr(Postgres, "missing", lambda: True)
    monkeypatch.setenv("WF_REQUIRE_POSTGRES", required)
    with pytest.raises(outcome.Exception, match="no PostgreSQL server"):
        require_postgres()


def test_an_sqlite_file_that_somebody_locks_is_waited_for(tmp_path, name):
    path = tmp_path / "tasks.db"
    pool = TaskManager(name, f"sqlite:///{path}")
    pool.create_task([{"i": 1}])
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    unlock = threading.Timer(AWAY, lambda: other.execute("COMMIT"))
    unlock.start()
    assert pool.fetch_task()["def"] == {"i": 1}
    unlock.join()
    other.close()


class StoreLibraryError(Exception):
    pass


def call_until(successes):
    """A call that fails until the attempt of this number, and notes whether it is made again."""
    attempts = []

    def call(again):
        attempts.append(again)
        if len(attempts) < successes:
            raise StoreLibraryError("away\nwith details")
        return "answer"

    return call, attempts


def test_a_call_is_made_again_until_it_is_answered_and_knows_it(caplog):
    call, attempts = call_until(3)
    policy = RetryPolicy("the-store", 60, StoreLibraryError, lambda error: True)
    assert call_with_retry(call, policy) == "answer"
    assert attempts == [False, True, True]
    assert [record.message for record in caplog.records] == [
        "task store the-store: away; waiting for it"
    ]


def test_a_call_is_given_up_when_the_patience_is_over():
    call, attempts = call_until(1000)
    policy = RetryPolicy("the-store", 0.2, StoreLibraryError, lambda error: True)
    started = time.monotonic()
    with pytest.raises(PoolStoreError, match=r"the-store has not answered for 0 s \(away\)"):
        call_with_retry(call, policy)
    assert time.monotonic() - started < 5
    assert len(attempts) > 1


def test_a_failure_that_will_not_pass_is_not_waited_out():
    call, attempts = call_until(2)
    policy = RetryPolicy("the-store", 60, StoreLibraryError, lambda error: False)
    with pytest.raises(PoolStoreError, match="the-store failed: away"):
        call_with_retry(call, policy)
    assert attempts == [False]


def test_an_error_that_is_not_the_librarys_goes_on_as_it_is():
    def call(again):
        raise KeyError("mine")

    policy = RetryPolicy("the-store", 60, StoreLibraryError, lambda error: True)
    with pytest.raises(KeyError, match="mine"):
        call_with_retry(call, policy)


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("redis://localhost", PoolInputError, "use mongodb://.*sqlite:///.*postgresql://"),
        ("/tmp/tasks.db", PoolInputError, "use mongodb://"),
        ("sqlite://", PoolInputError, "workers share a file"),
        ("sqlite:////no/such/folder/tasks.db", PoolStoreError, "/no/such/folder does not exist"),
        ("mongodb://me:p@ss@localhost/x", PoolInputError, "must be escaped"),
    ],
)
def test_an_address_that_is_none_is_refused(url, error, message):
    with pytest.raises(error, match=message):
        TaskManager("pool", url)


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no database " * 500)
    with pytest.raises(PoolStoreError, match=r"notes\.txt failed: .*not a database"):
        TaskManager("pool", f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a$b", r"holds a '\$'"),
        ("", "is no name"),
        (5, "is no name"),
        ("system.users", r"starts with 'system\.'"),
        ("a..b", "empty part"),
        (".a", "empty part"),
        ("a\0b", "control character"),
        ("x" * 121, "longer than 120 bytes"),
    ],
)
def test_a_name_that_is_no_collections_is_refused_by_every_store(given, message, tmp_path):
    with pytest.raises(PoolInputError, match=f"{message}.*: use letters, digits"):
        TaskManager(given, f"sqlite:///{tmp_path / 'tasks.db'}")
