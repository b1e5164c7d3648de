"""Each store of the task pool, run for real."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pool.servers import Mongo, share_server
from wf_dagster.pool import TaskManager

STORES = ["sqlite", "mongodb", "postgresql"]
if os.environ.get("WF_TEST_MONGO_URL"):
    STORES.append("mongod")
# what takes seconds is done with a file in each run, and with servers in `make test-all`
FILE_AND_SLOW_SERVERS = [
    STORES[0],
    *(pytest.param(store, marks=pytest.mark.slow) for store in STORES[1:]),
]


@pytest.fixture(scope="session")
def mongodb(run_folder: Path) -> Iterator[str]:
    """The address of a server that all processes share."""
    with share_server(Mongo, run_folder) as url:
        yield url


@pytest.fixture(scope="session")
def mongod() -> str:
    """The address of a MongoDB server that runs already."""
    return os.environ["WF_TEST_MONGO_URL"]


@pytest.fixture(scope="session")
def locate(request: pytest.FixtureRequest) -> Callable[[str, Path], str]:
    """Gives the address of a store by its name, and the folder of its file."""

    def locate_store(store: str, folder: Path) -> str:
        if store == "sqlite":
            return f"sqlite:///{folder / 'tasks.db'}"
        return str(request.getfixturevalue(store))

    return locate_store


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path, locate: Callable[[str, Path], str]) -> str:
    """The address of a store: a test that uses it runs on each of them."""
    return locate(request.param, tmp_path)


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """The address of a file: enough for what is the same whatever the store."""
    return f"sqlite:///{tmp_path / 'tasks.db'}"


@pytest.fixture
def name() -> str:
    """A pool that no other test uses."""
    return make_name()


def make_name() -> str:
    return f"pool_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def pool(url: str, name: str) -> TaskManager:
    """A pool in each of the stores."""
    return TaskManager(name, url)


@pytest.fixture
def file_pool(file_url: str, name: str) -> TaskManager:
    """A pool in a file: enough for what is the same whatever the store."""
    return TaskManager(name, file_url)
