"""Files that a task of Qlib's names by their path: seven of Qlib's benchmark files do."""

from __future__ import annotations

import copy
import subprocess
import sys

import numpy as np
import pytest

from tests.qlib.bridge_calls import initialise_qlib
from tests.qlib.qlib_tasks import ridge, seeded_template
from wf_dagster import R
from wf_dagster.imports.module_files import find_named_file
from wf_dagster.qlib_bridge.workflow_file import read_workflow
from wf_dagster.training.task import task_train

OWN = """
from qlib.contrib.model.linear import LinearModel
from qlib.data.dataset.processor import Processor

class Doubled(LinearModel):
    def predict(self, dataset, segment="test"):
        return super().predict(dataset, segment) * 2

class Capped(Processor):
    def __init__(self, limit):
        self.limit = limit

    def __call__(self, frame):
        return frame.clip(-self.limit, self.limit)
"""
WORKFLOW = """
qlib_init:
  provider_uri: {provider}
task:
  model: {{class: Doubled, module_path: own_parts.py, kwargs: {{estimator: ridge}}}}
  dataset:
    class: DatasetH
    module_path: qlib.data.dataset
    kwargs: {{segments: {{test: [2020-01-02, 2020-02-03]}}}}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "own_parts.py").write_text(OWN)
    return tmp_path / "files"


def task_with(path):
    task = copy.deepcopy(seeded_template(ridge()))
    task["model"] |= {"class": "Doubled", "module_path": path}
    capped = {"class": "Capped", "module_path": path, "kwargs": {"limit": 2.0}}
    task["dataset"]["kwargs"]["handler"]["kwargs"]["infer_processors"].append(capped)
    return task


def test_a_model_and_a_processor_in_a_file_are_those_of_qlib(seeded, folder, monkeypatch):
    monkeypatch.chdir(folder)
    recorder = task_train(task_with("own_parts.py"), "files")
    initialise_qlib()
    from qlib.utils import init_instance_by_config

    task = task_with("own_parts.py")
    model, dataset = (init_instance_by_config(task[part]) for part in ("model", "dataset"))
    model.fit(dataset)
    wanted = model.predict(dataset)
    pred = recorder.load_object("pred.pkl")["score"]
    np.testing.assert_array_equal(pred.reindex(wanted.index), wanted)
    stored = recorder.load_object("task")["model"]["module_path"]
    assert stored == str(folder / "own_parts.py")
    for part in (
        recorder.load_object("params.pkl"),
        recorder.load_object("dataset").handler.infer_processors[-1],
    ):
        assert find_named_file(type(part).__module__) == folder / "own_parts.py"
    load = (
        "import sys; from wf_dagster import R; from wf_dagster.tasks import modules_named\n"
        "rec = R.get_recorder(recorder_id=sys.argv[1], experiment_name='files')\n"
        "rec.trust(modules_named(rec.load_object('task')))\n"
        "print(rec.load_object('dataset').handler.infer_processors[-1].limit)"
    )
    result = subprocess.run(
        [sys.executable, "-c", load, recorder.id], capture_output=True, text=True, cwd="/"
    )
    assert result.stdout.endswith("2.0\n"), result.stderr[-1500:]
    assert len(R.list_recorders(experiment_name="files")) == 1


def test_a_workflow_file_names_files_beside_it(seeded, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (folder / "workflow.yaml").write_text(WORKFLOW.format(provider=seeded))
    model = read_workflow(folder / "workflow.yaml")["task"]["model"]
    assert model["module_path"] == str(folder / "own_parts.py")
