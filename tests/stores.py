"""Stores that tests share: an MLflow database with its tables made, and PostgreSQL."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock

from tests.pool.servers import Postgres, require_postgres, share_server


@pytest.fixture(scope="session")
def empty_store(request: pytest.FixtureRequest) -> Path:
    """The file of a store without experiments: one for all processes and runs of the tests.

    MLflow takes seconds to make the tables of a new one.
    """
    folder = request.config.cache.mkdir(f"mlflow-{version('mlflow')}")
    path = folder / "mlflow.db"
    with FileLock(folder / "lock"):
        if not path.exists():
            from wf_dagster import settings
            from wf_dagster.tracking.store import get_client  # slow to import

            new = folder / "new.db"
            new.unlink(missing_ok=True)
            before = settings._current
            get_client(f"sqlite:///{new}")
            settings._current = before
            new.rename(path)
    return path


@pytest.fixture(autouse=True)
def ready_store(home: Path, empty_store: Path) -> None:
    """The default store of this test, its tables made."""
    home.mkdir(exist_ok=True)
    shutil.copy(empty_store, home / "mlflow.db")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of a test run have in common."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def postgresql(run_folder: Path) -> Iterator[str]:
    """The address of a server that all processes share."""
    require_postgres()
    with share_server(Postgres, run_folder) as url:
        yield url
