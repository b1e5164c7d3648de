"""A tracking store that is ready at once: MLflow takes seconds to make the tables of a new one."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def made_store(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store without experiments, made once for all test processes and runs."""
    from wf_dagster import settings
    from wf_dagster.tracking.store import get_client

    folder = pytestconfig.cache.mkdir(f"mlflow-{version('mlflow')}-{version('sqlalchemy')}")
    path = folder / "mlflow.db"
    with FileLock(folder / "lock"):
        if not path.exists():
            new = tmp_path_factory.mktemp("store") / "mlflow.db"
            before = settings._current
            get_client(f"sqlite:///{new}")
            settings._current = before
            shutil.copy(new, folder / "part")
            (folder / "part").replace(path)
    return path


@pytest.fixture(autouse=True)
def ready_store(home: Path, made_store: Path) -> None:
    """The default store of this test, its tables made."""
    home.mkdir()
    shutil.copy(made_store, home / "mlflow.db")
