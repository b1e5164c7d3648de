"""Qlib is imported while a recorder is active: by this project, before the script has done it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


BY_USER = "import qlib\nqlib.init(provider_uri=sys.argv[1], region='us')"
BY_US = """
wf_dagster.init(qlib_provider_uri=sys.argv[1], qlib_region="us")
from wf_dagster import Market
from wf_dagster.data.adapters import adapter_of
from tests.qlib.qlib_tasks import ridge, seeded_template
adapter_of(seeded_template(ridge()), Market()).prepare()
"""
ENDS = {
    "user: sys.exit(3)": "FAILED",
    "us: pass": "FINISHED",
    "us: sys.exit(3)": "FAILED",
    "us: raise ValueError": "FAILED",
    "us: os.kill(os.getpid(), signal.SIGTERM)": "FAILED",
}
STATUSES = """
from wf_dagster import R
print({r.name: r.status for r in R.get_exp(experiment_name="e").list_recorders().values()})
"""


@pytest.mark.slow
def test_a_recorder_that_qlib_is_initialised_inside_of_ends_as_the_process_does(
    qlib_folder, tmp_path
):
    env = {**os.environ, "WF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    for name in ENDS:
        by, end = name.split(": ")
        code = (
            "import os, signal, sys, wf_dagster\n"
            "from wf_dagster import R\n"
            f"R.start_exp(experiment_name='e', recorder_name={name!r})\n"
            f"{BY_USER if by == 'user' else BY_US}\n{end}"
        )
        subprocess.run(
            [sys.executable, "-c", code, str(qlib_folder / "seeded")],
            capture_output=True,
            cwd=tmp_path,
            env=env,
            check=False,
        )
    shown = subprocess.run(
        [sys.executable, "-c", STATUSES], capture_output=True, text=True, env=env, check=True
    )
    assert ast.literal_eval(shown.stdout.splitlines()[-1]) == ENDS
