"""``Rolling`` beside Qlib's, each in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.workflows.conftest import plain_qlib, run_process
from tests.workflows.same_recorder import assert_same_frame, assert_same_metrics
from wf_dagster import R

pytestmark = pytest.mark.integration
ARGUMENTS = {"exp_name": "joined", "horizon": 2, "step": 30, "rolling_exp": "rolls"}


@pytest.mark.slow
def test_the_joined_results_are_qlibs(workflow_file: Path, tmp_path: Path) -> None:
    wait = plain_qlib(tmp_path / "theirs", "rolling", str(workflow_file), json.dumps(ARGUMENTS))
    options = ["--experiment", "joined", "--horizon", "2", "--step", "30", "--rolls", "rolls"]
    command = ["-m", "wf_dagster", "rolling", str(workflow_file), *options]
    code, output, errors = run_process(command, tmp_path)
    assert code == 0, errors[-3000:]
    theirs = wait()
    (joined,) = R.list_recorders(experiment_name="joined").values()
    assert f"recorder {joined.id}: FINISHED" in output
    assert_same_metrics(joined, theirs["metrics"])
    assert {"IC", "1day.excess_return_with_cost.annualized_return"} <= set(theirs["metrics"])
    for name, value in theirs["objects"].items():
        ours = joined.load_object(name, allow=["qlib"])
        if isinstance(value, (pd.DataFrame, pd.Series)):
            assert_same_frame(ours, value)
    rolls = R.list_recorders(experiment_name="rolls").values()
    segments = [roll.load_object("task")["dataset"]["kwargs"]["segments"] for roll in rolls]
    assert len(segments) == 4
    assert sorted(map(str, segments)) == sorted(map(str, theirs["segments"]))
