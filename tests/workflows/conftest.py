"""Data in Qlib's format, a workflow file, and what plain Qlib leaves of it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.qlib.conftest import needs_qlib, qlib_folder
from tests.workflows.workflow_text import RECORDS, write_workflow

__all__ = ["qlib_folder"]

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(needs_qlib)


@pytest.fixture(scope="module")
def workflow_file(tmp_path_factory: pytest.TempPathFactory, qlib_folder: Path) -> Path:
    """A workflow file of Alpha158 and a linear model, with Qlib's three records."""
    folder = tmp_path_factory.mktemp("workflow")
    return write_workflow(folder, qlib_folder / "seeded", record=RECORDS)


def start_process(code: list[str], folder: Path, **variables: str) -> subprocess.Popen[str]:
    """A process in a folder of its own, whose home is there too; its output is read by others."""
    stand = folder / "stands"
    stand.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, *code],
        cwd=stand,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WF_HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
            "GIT_DIR": str(folder),  # Qlib keeps the diff of this repository with each recorder
            **variables,
        },
    )


def run_process(code: list[str], folder: Path, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of such a process, which leaves nothing where it stands."""
    process = start_process(code, folder, **variables)
    output, errors = process.communicate(timeout=800)
    assert not list((folder / "stands").iterdir())
    return process.returncode, output, errors


def plain_qlib(folder: Path, *arguments: str) -> Callable[[], Any]:
    """Starts ``by_plain_qlib.py``; the function waits for what it leaves."""
    answer = folder / "answer.pkl"
    code = ["-m", "tests.workflows.by_plain_qlib", str(answer), *arguments]
    process = start_process(code, folder, MLFLOW_ALLOW_FILE_STORE="true")

    def wait() -> Any:
        if not answer.exists():
            _, errors = process.communicate(timeout=800)
            assert process.returncode == 0, errors[-3000:]
        return pickle.loads(answer.read_bytes())

    return wait
