"""Files that plain Qlib has pickled, read where its modules give this project's classes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import pickle, sys
import qlib
from qlib.workflow import R
from qlib.workflow.online.manager import OnlineManager

store = "sqlite:///qlib.db"
manager = {"class": "MLflowExpManager", "module_path": "qlib.workflow.expm",
           "kwargs": {"uri": store, "default_exp_name": "e"}}
qlib.init(provider_uri=sys.argv[1], region="us", exp_manager=manager)
with R.start(experiment_name="e"):
    R.save_objects(**{"answer.pkl": 42})
    recorder = R.get_recorder()
content = pickle.dumps(recorder)
online = OnlineManager.__new__(OnlineManager)
vars(online).update(strategies=[], history={})
online.to_pickle("online.pkl")

import wf_dagster
from wf_dagster.errors import OnlineError
import wf_dagster.compat.install
from qlib.workflow.online.manager import OnlineManager

ours = pickle.loads(content)
assert isinstance(ours, wf_dagster.tracking.MLflowRecorder)
assert ours.load_object("answer.pkl") == 42
assert (ours.id, ours.status, ours.start_time.as_text()) == (
    recorder.id, "FINISHED", recorder.start_time)
assert pickle.loads(pickle.dumps(ours)).id == ours.id
try:
    OnlineManager.load("online.pkl")
except OnlineError as error:
    assert "holds an OnlineManager of Qlib's own: go on with it in plain Qlib" in str(error)
else:
    raise AssertionError("it was loaded")
"""


@pytest.mark.slow
def test_a_recorder_is_the_same_here_and_a_manager_is_refused_with_the_remedy(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "WF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
