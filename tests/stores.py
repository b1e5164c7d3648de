"""A tracking store that is ready at once: MLflow takes seconds to make the tables of a new one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a store without experiments."""
    from wf_dagster import settings
    from wf_dagster.tracking.store import get_client

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    before = settings._current
    get_client(f"sqlite:///{path}")
    settings._current = before
    return path


@pytest.fixture(autouse=True)
def ready_store(home: Path, made_store: Path) -> None:
    """The default store of this test, its tables made."""
    home.mkdir()
    shutil.copy(made_store, home / "mlflow.db")
