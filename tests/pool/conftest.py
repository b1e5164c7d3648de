"""Each store of the task pool, run for real."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pool.servers import Mongo, Postgres
from wf_dagster.pool import TaskManager

STORES = ["sqlite", "mongodb", "postgresql"]
if os.environ.get("WF_TEST_MONGO_URL"):
    STORES.append("mongod")
NO_POSTGRES = "no PostgreSQL server on this machine: apt-get install postgresql"


@pytest.fixture(scope="session")
def mongo() -> Iterator[Mongo]:
    server = Mongo()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if Postgres.missing():
        pytest.skip(NO_POSTGRES)
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tasks.db'}"
    if request.param == "mongod":
        return os.environ["WF_TEST_MONGO_URL"]
    return request.getfixturevalue(
        {"mongodb": "mongo", "postgresql": "postgres"}[request.param]
    ).url


@pytest.fixture
def name() -> str:
    """A pool that no other test uses."""
    return f"pool_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def pool(url: str, name: str) -> TaskManager:
    return TaskManager(name, url)
