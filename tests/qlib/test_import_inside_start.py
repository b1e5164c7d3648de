"""Qlib is imported while a recorder is active: by this project, before the script has done it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
import wf_dagster
from wf_dagster import Market, R
from wf_dagster.data.adapters import adapter_of
from tests.qlib.qlib_tasks import ridge, seeded_template

wf_dagster.init(qlib_provider_uri=sys.argv[1], qlib_region="us")
with R.start(experiment_name="outer"):
    assert "qlib.workflow" not in sys.modules
    adapter_of(seeded_template(ridge()), Market()).prepare()
    from qlib.workflow import R as QLIB_R

    assert QLIB_R.get_recorder().id == R.get_recorder().id
    QLIB_R.log_metrics(loss=0.5)
    recorder = R.get_recorder()
assert recorder.list_metrics()["loss"] == 0.5
"""


def test_qlibs_r_leads_to_the_active_recorder(qlib_folder, tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(qlib_folder / "seeded")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "WF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    assert not (tmp_path / "mlruns").exists()
