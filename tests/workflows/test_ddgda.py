"""``DDGDA`` beside Qlib's, each in a process of its own; with the command line that Qlib has."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from tests.workflows.conftest import plain_qlib, run_process
from tests.workflows.same_recorder import assert_same_frame, assert_same_metrics
from wf_dagster import R

pytestmark = pytest.mark.integration
has_torch = importlib.util.find_spec("torch") is not None
ARGUMENTS = {
    "exp_name": "joined",
    "horizon": 2,
    "step": 20,
    "rolling_exp": "rolls",
    "sim_task_model": "linear",
    "meta_1st_train_end": "2019-08-30",
    "train_start": "2019-03-01",
    "test_end": "2020-07-31",
    "loss_skip_thresh": 4,
    "fea_imp_n": 5,
    "hist_step_n": 3,
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not has_torch, reason="DDG-DA learns with PyTorch: pip install torch")
def test_ddg_da_gives_what_it_gives_in_qlib(workflow_file: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.yaml", tmp_path / "theirs" / "theirs.yaml"
    theirs.parent.mkdir()
    for path in (ours, theirs):  # it keeps its data beside the file
        shutil.copy(workflow_file, path)
    wait = plain_qlib(theirs.parent, "ddgda", str(theirs), json.dumps(ARGUMENTS))
    options = [part for key, value in ARGUMENTS.items() for part in (f"--{key}", str(value))]
    command = ["-m", "wf_dagster.workflows", "ddgda", "--conf_path", str(ours), *options, "run"]
    code, _, errors = run_process(command, tmp_path)
    assert code == 0, errors[-3000:]
    answer = wait()
    (joined,) = R.list_recorders(experiment_name="joined").values()
    assert_same_metrics(joined, answer["metrics"])
    assert "1day.excess_return_with_cost.annualized_return" in answer["metrics"]
    for name in ("pred.pkl", "label.pkl", "sig_analysis/ic.pkl"):
        assert_same_frame(joined.load_object(name), answer["objects"][name])
    # the weights are not all the same: the meta-model has a say
    roll = next(iter(R.list_recorders(experiment_name="rolls").values()))
    weights = roll.load_object("task", allow=["qlib"])["reweighter"].time_weight
    assert weights.nunique() > 1
    (meta,) = R.list_recorders(experiment_name="DDG-DA").values()
    assert "ic/test" in meta.list_metrics()


@pytest.mark.skipif(has_torch, reason="PyTorch is installed")
def test_without_pytorch_it_says_what_to_install() -> None:
    from wf_dagster import MissingExtraError, workflows

    with pytest.raises(MissingExtraError, match=r"pip install torch"):
        _ = workflows.DDGDA
