"""``wf-dagster qrun`` beside Qlib's ``qrun``, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

import wf_dagster
from tests.workflows.conftest import plain_qlib, run_process
from tests.workflows.same_recorder import assert_same_frame, assert_same_metrics
from tests.workflows.workflow_text import EXPERIMENT, MODEL, write_workflow
from wf_dagster import R

pytestmark = pytest.mark.integration
QRUN = ["-m", "wf_dagster", "qrun"]
_FAILS = {"class": "NoSuchModel", "module_path": "qlib.contrib.model.linear"}
_RAISES = {**MODEL, "kwargs": {"estimator": "unheard_of"}}


@pytest.mark.slow
def test_a_workflow_file_gives_what_qrun_gives(workflow_file: Path, tmp_path: Path) -> None:
    wait = plain_qlib(tmp_path / "theirs", "qrun", str(workflow_file))
    code, output, errors = run_process([*QRUN, str(workflow_file)], tmp_path)
    assert code == 0, errors[-3000:]
    theirs = wait()
    assert theirs["experiment"] == EXPERIMENT
    (recorder,) = R.list_recorders(experiment_name=EXPERIMENT).values()
    assert f"recorder {recorder.id}: FINISHED" in output
    assert_same_metrics(recorder, theirs["metrics"])
    assert {"IC", "1day.excess_return_with_cost.annualized_return"} <= set(theirs["metrics"])
    objects = theirs["objects"]
    assert {"pred.pkl", "label.pkl", "config", "sig_analysis/ic.pkl"} <= set(objects)
    for name, value in objects.items():
        ours = recorder.load_object(name, allow=["qlib"])
        if isinstance(value, (pd.DataFrame, pd.Series)):
            assert_same_frame(ours, value)
    # Qlib's holds the fitted model in the place of <MODEL>; ours is the file
    assert recorder.load_object("config") == yaml.safe_load(workflow_file.read_text())
    assert recorder.load_object("task") == objects["task"]


@pytest.mark.slow
def test_the_caller_names_what_the_file_does_not(qlib_folder: Path, tmp_path: Path) -> None:
    file = write_workflow(tmp_path, qlib_folder / "few", experiment_name=None)
    folder = tmp_path / "records"
    code, output, errors = run_process(
        [*QRUN, str(file), "named_by_caller", str(folder)],
        tmp_path,
        WF_QLIB_PROVIDER_URI=str(qlib_folder / "seeded"),
    )
    assert code == 0, errors[-3000:]
    # the file's own data are not there: those of the variable are, and it is said
    assert f"are those of the settings (WF_QLIB_PROVIDER_URI), {qlib_folder / 'seeded'}" in errors
    assert output.strip().endswith(f"sqlite:///{folder}/mlflow.db")
    assert "named_by_caller" not in R.list_experiments()
    wf_dagster.init(home=folder)
    (recorder,) = R.list_recorders(experiment_name="named_by_caller").values()
    assert recorder.load_object("config")["qlib_init"]["provider_uri"] == str(qlib_folder / "few")
    assert Path(recorder.get_local_dir()).is_relative_to(folder / "artifacts")


@pytest.mark.parametrize(
    ("changes", "message", "runs"),
    [
        ({"model": _FAILS}, "has no 'NoSuchModel'", 0),
        ({"model": _RAISES}, "unheard_of", 1),
    ],
)
def test_what_fails_exits_as_qrun_does(
    changes: dict[str, object], message: str, runs: int, qlib_folder: Path, tmp_path: Path
) -> None:
    file = write_workflow(tmp_path, qlib_folder / "seeded", **changes)
    code, _, errors = run_process([*QRUN, str(file)], tmp_path)
    assert code == 1
    assert message in errors
    assert len(R.list_recorders(experiment_name=EXPERIMENT)) == runs
    if not runs:
        assert "Traceback" not in errors


def test_data_that_are_not_there_are_named_with_the_file(tmp_path: Path) -> None:
    file = write_workflow(tmp_path, tmp_path / "nothing")
    code, _, errors = run_process([*QRUN, str(file)], tmp_path)
    assert code == 1
    assert f"{file}: qlib_init.provider_uri" in errors
    assert "is no folder" in errors
