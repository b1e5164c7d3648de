"""``Rolling`` beside Qlib's, each in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.workflows.conftest import plain_qlib, run_process
from tests.workflows.same_recorder import assert_same_frame, assert_same_metrics
from tests.workflows.workflow_text import write_workflow
from wf_dagster import CollectError, R, TaskError
from wf_dagster.workflows import Rolling

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


SUBCLASS = """
import sys

from wf_dagster import R
from wf_dagster.workflows import Rolling


class Shorter(Rolling):
    def basic_task(self, enable_handler_cache=True):
        task = super().basic_task(enable_handler_cache)
        task["model"]["kwargs"]["alpha"] = 0.5
        return task

    def get_task_list(self):
        return super().get_task_list()[:2]


if __name__ == "__main__":
    for step in (20, 15):
        rolling = Shorter(
            sys.argv[1],
            horizon=None,
            step=step,
            train_start="2019-04-01",
            task_ext_conf={"dataset": {"kwargs": {"segments": {"valid": ["2019-11-01", None]}}}},
            rolling_exp="rolls",
        )
        rolling.run()
    print(rolling.recorder.id, "IC" in rolling.recorder.list_metrics())
"""


@pytest.mark.slow
def test_a_subclass_changes_steps_and_the_last_run_is_what_counts(
    qlib_folder: Path, tmp_path: Path
) -> None:
    file = write_workflow(tmp_path, qlib_folder / "seeded", record=[{"class": "SigAnaRecord"}])
    (tmp_path / "shorter.py").write_text(SUBCLASS)
    code, output, errors = run_process([str(tmp_path / "shorter.py"), str(file)], tmp_path)
    assert code == 0, errors[-3000:]
    recorder_id, has_ic = output.split()[-2:]
    assert has_ic == "True"
    assert "2 recorders of earlier rolls are deleted from experiment 'rolls'" in errors
    rolls = list(R.list_recorders(experiment_name="rolls").values())
    assert len(rolls) == 2
    tasks = [roll.load_object("task") for roll in rolls]
    first = min(tasks, key=lambda task: task["dataset"]["kwargs"]["segments"]["test"])
    kwargs = first["dataset"]["kwargs"]
    # the label of the file looks two sessions ahead: valid ends as many before 2020-03-02
    assert {name: tuple(map(str, ends)) for name, ends in kwargs["segments"].items()} == {
        "train": ("2019-04-01 00:00:00", "2019-10-31 00:00:00"),
        "valid": ("2019-11-01 00:00:00", "2020-02-27 00:00:00"),
        "test": ("2020-03-02 00:00:00", "2020-03-20 00:00:00"),
    }
    assert "label" not in kwargs["handler"]["kwargs"]
    assert first["model"]["kwargs"]["alpha"] == 0.5
    pred = R.get_recorder(recorder_id=recorder_id).load_object("pred.pkl")
    assert pred.index.unique("datetime").size == 30


def test_arguments_and_files_that_cannot_be_rolled_are_named(tmp_path: Path) -> None:
    for arguments, message in (
        ({"horizon": 0}, r"horizon 0 is unknown"),
        ({"step": "fortnight"}, r"step 'fortnight' is unknown"),
    ):
        with pytest.raises(TaskError, match=message):
            Rolling(tmp_path / "workflow.yaml", **arguments)
    with pytest.raises(TaskError, match=r"workflow\.yaml' cannot be read"):
        Rolling(tmp_path / "workflow.yaml").basic_task()
    own = {"model": "a.Model", "dataset": {"class": "a.Data", "kwargs": {"segments": {}}}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"task": own}))
    with pytest.raises(TaskError, match=r"own\.yaml: task\.dataset\.kwargs\.handler is missing"):
        Rolling(tmp_path / "own.yaml").basic_task()


def test_rolls_are_trained_before_they_are_joined(tmp_path: Path) -> None:
    rolling = Rolling(tmp_path / "workflow.yaml", rolling_exp="empty")
    R.get_exp(experiment_name="empty")
    with pytest.raises(CollectError, match=r"'empty' holds no finished roll with pred\.pkl"):
        rolling._ens_rolling()
