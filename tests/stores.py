"""A tracking store that is ready at once: MLflow takes seconds to make the tables of a new one."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def empty_store(request: pytest.FixtureRequest) -> Path:
    """The file of a store without experiments: one for all processes and runs of the tests."""
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
def made_store(empty_store: Path) -> Path:
    """The same, by the name that tests still call it."""
    return empty_store
