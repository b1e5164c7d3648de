"""Fixtures every room shares: a home folder of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

import wf_dagster
from wf_dagster import settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings as on a new machine, with everything kept under the test's own folder."""
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(f"WF_{name.upper()}", raising=False)
    monkeypatch.setattr(settings, "_current", None)
    monkeypatch.setenv("WF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    wf_dagster.init()
    return tmp_path / "home"
