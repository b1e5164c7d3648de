"""Qlib-format data, and what Qlib itself makes of them."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import wf_dagster
from tests.orchestration.component.conftest import project  # noqa: F401
from tests.qlib.by_qlib import GROWN, QUICK, SLOW
from tests.qlib.provider import sample_panel, seeded_panel, write_provider
from tests.qlib.workflow_files import BASE, WORKFLOW

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
needs_qlib = pytest.mark.skipif(
    importlib.util.find_spec("qlib") is None,
    reason="pyqlib is not installed (it has no wheel for this Python): the extra 'qlib'",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and item.path.stem != "test_without_qlib":
            item.add_marker(needs_qlib)


@pytest.fixture(scope="session")
def qlib_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two providers, ``seeded`` and ``sample``; one folder for all processes of this run."""
    run = tmp_path_factory.getbasetemp()
    folder = (run.parent if "PYTEST_XDIST_WORKER" in os.environ else run) / "qlib"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "ready").exists():
            few = {"few": ["SH600000", "SH600004", "SH600005"]}
            write_provider(folder / "seeded", seeded_panel(), markets=few)
            write_provider(folder / "sample", sample_panel())
            (folder / "ready").touch()
    return folder


@pytest.fixture(scope="session")
def answers(qlib_folder: Path) -> dict[str, Any]:
    """What Qlib makes of the quick rolls in ``qlib_tasks.py``."""
    return made_by_qlib(qlib_folder, QUICK, "seeded")


@pytest.fixture(scope="session")
def slow_answers(qlib_folder: Path) -> dict[str, Any]:
    """What Qlib makes of the other rolls in ``qlib_tasks.py``."""
    return made_by_qlib(qlib_folder, SLOW, "seeded", "sample")


@pytest.fixture(scope="session")
def updates(qlib_folder: Path) -> dict[str, Any]:
    """What Qlib makes of the online models in ``qlib_tasks.py`` when a month has come."""
    return made_by_qlib(qlib_folder, GROWN, GROWN)


def made_by_qlib(folder: Path, part: str, *panels: str) -> dict[str, Any]:
    """The answers of ``by_qlib.py``; the first process that asks lets Qlib work, others wait."""
    files = [folder / f"{part}_{panel}.pkl" for panel in panels]
    with FileLock(folder / f"{part}.lock"):
        if not all(file.exists() for file in files):
            let_qlib_work(folder, part, *panels)
    answers: dict[str, Any] = {}
    for file in files:
        answers |= pickle.loads(file.read_bytes())
    return answers


def let_qlib_work(folder: Path, part: str, *panels: str) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.qlib.by_qlib", str(folder), part, panel],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=(folder / f"{part}_{panel}.log").open("wb"),
            # without GIT_DIR it keeps the diff of this repository with each recorder
            env={**os.environ, "OMP_NUM_THREADS": "1", "GIT_DIR": str(folder)},
        )
        for panel in panels
    ]
    for panel, run in zip(panels, runs, strict=True):
        assert run.wait() == 0, (folder / f"{part}_{panel}.log").read_text()[-3000:]


@pytest.fixture
def seeded(qlib_folder: Path) -> Path:
    """Qlib's data in the settings: the seeded panel."""
    wf_dagster.init(qlib_provider_uri=str(qlib_folder / "seeded"), qlib_region="us")
    return qlib_folder / "seeded"


@pytest.fixture
def sample(qlib_folder: Path) -> Path:
    """Qlib's data in the settings: the sample prices."""
    wf_dagster.init(qlib_provider_uri=str(qlib_folder / "sample"), qlib_region="us")
    return qlib_folder / "sample"


@pytest.fixture
def workflow(tmp_path, seeded, monkeypatch):
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("PROVIDER", str(seeded))
    return tmp_path / "workflow.yaml"
