"""A fresh store for each test, copied instead of migrated anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import wf_dagster
from wf_dagster.tracking.keeper import KEEPER
from wf_dagster.tracking.store import get_client


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables and nothing in them."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    get_client(f"sqlite:///{path}")
    return path


@pytest.fixture(autouse=True)
def store(home: Path, empty_store: Path) -> None:
    """The default store of the test, with no recorder left running behind it."""
    wf_dagster.get_settings().make_home()
    shutil.copy(empty_store, home / "mlflow.db")
    yield
    left = KEEPER.running()
    for recorder in left:
        KEEPER.remove(recorder)
    assert left == []
