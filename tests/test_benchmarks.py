"""Every kind of measurement runs, in tiny sizes, and the two sides give the same numbers."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("qlib") is None,
    reason="pyqlib is not installed (it has no wheel for this Python): the extra 'qlib'",
)


@pytest.mark.slow
def test_every_measurement_runs_and_both_sides_agree() -> None:
    from benchmarks.rows import ROWS

    # the other rows differ in their sizes alone
    chosen = list({row.measure: name for name, row in reversed(ROWS.items())}.values())
    done = bench("--quick", *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = {line.split("`")[1]: line for line in done.stdout.splitlines() if line[:3] == "| `"}
    assert list(printed) == chosen
    assert all(" × |" in line for line in printed.values())


def test_a_row_that_is_not_there_is_named() -> None:
    done = bench("rigde")
    assert done.returncode == 2
    assert "rigde" in done.stderr
    assert "ridge" in done.stderr


def test_sides_that_differ_give_no_figure(tmp_path: Path) -> None:
    import pandas as pd

    from benchmarks.bench import check_same

    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2020-01-01", periods=2), ["A"]], names=["datetime", "instrument"]
    )
    for name, score in (("qlib", 0.5), ("here", 0.6)):
        pd.DataFrame({"score": score}, index).to_parquet(tmp_path / name)
    with pytest.raises(SystemExit, match="other numbers"):
        check_same(str(tmp_path / "qlib"), str(tmp_path / "here"))
    pd.DataFrame({"score": 0.5}, index[:1]).to_parquet(tmp_path / "here")
    with pytest.raises(SystemExit, match="other rows"):
        check_same(str(tmp_path / "qlib"), str(tmp_path / "here"))


def bench(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *args],
        cwd=ROOT,
        env={**os.environ, "WF_MAX_WORKERS": "1"},
        capture_output=True,
        text=True,
    )
