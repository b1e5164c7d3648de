"""Fixtures every room shares: a home folder of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

import wf_dagster
from tests.stores import empty_store, postgresql, ready_store, run_folder
from wf_dagster import settings
from wf_dagster.log_once import warn_once

__all__ = ["empty_store", "postgresql", "ready_store", "run_folder"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with real servers take minutes: they come first, so that no worker ends with one."""
    slow = {item.path for item in items if item.get_closest_marker("integration")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings as on a new machine, with everything kept under the test's own folder."""
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(f"WF_{name.upper()}", raising=False)
    monkeypatch.setattr(settings, "_current", None)
    warn_once.cache_clear()  # as a process of its own
    monkeypatch.setenv("WF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    wf_dagster.init()
    return tmp_path / "home"
