"""Functions of Qlib's beside their counterparts: the same calls, the same answers."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.compat.calls import answers
from tests.qlib.provider import seeded_panel, write_provider

ROOT = Path(__file__).parents[2]
pytest.importorskip("qlib", reason="pyqlib is not installed: the extra 'qlib'")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("same_answers")
    provider = write_provider(folder / "data", seeded_panel())
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.compat.by_qlib", str(provider), str(folder / "answers.pkl")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    wf_dagster.init(home=folder, qlib_provider_uri=str(provider), calendar="qlib")
    ours = answers("wf_dagster.compat.qlib")
    error = run.communicate()[1]
    assert run.returncode == 0, error.decode()[-3000:]
    return pickle.loads((folder / "answers.pkl").read_bytes()), ours


def test_every_answer_is_that_of_qlib(both):
    theirs, ours = both
    assert theirs.keys() == ours.keys()
    for name, answer in theirs.items():
        assert_same(answer, ours[name], name)


def assert_same(theirs: Any, ours: Any, name: str) -> None:
    if isinstance(theirs, pd.Series):
        both = {"check_names": False, "check_dtype": False, "check_freq": False}
        pd.testing.assert_series_equal(theirs, ours, rtol=1e-9, atol=1e-12, obj=name, **both)
    elif isinstance(theirs, dict):
        assert theirs.keys() == ours.keys(), name
        for key, value in theirs.items():
            assert_same(value, ours[key], f"{name}, {key}")
    elif isinstance(theirs, (list, tuple)):
        assert len(theirs) == len(ours), name
        for number, (their, our) in enumerate(zip(theirs, ours, strict=True)):
            assert_same(their, our, f"{name}, {number}")
    elif isinstance(theirs, (float, np.floating)):
        assert theirs == pytest.approx(ours, nan_ok=True), name
    else:
        assert theirs == ours, name
