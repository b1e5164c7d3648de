"""Models in a file that a task names by its path, as Qlib's ``module_path: something.py``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.support import task_of
from wf_dagster import (
    DelayTrainerR,
    DelayTrainerRM,
    R,
    TrainerR,
    TrainerRM,
    fingerprint,
    init,
)
from wf_dagster.errors import TaskError, UnsafeObjectError
from wf_dagster.imports.module_files import name_module, place_module_files
from wf_dagster.tasks import init_instance, modules_named
from wf_dagster.tasks.config import find_class
from wf_dagster.training.task import task_train

MODEL = """
from wf_dagster.models import SklearnModel

class Halved(SklearnModel):
    def __init__(self, factor=0.5):
        super().__init__("sklearn.linear_model.Ridge", alpha=1.0)
        self.factor = factor

    def predict(self, dataset, segment="test"):
        return super().predict(dataset, segment) * self.factor
"""
LOAD = """
import sys
from wf_dagster import R
rec = R.get_recorder(recorder_id=sys.argv[1], experiment_name="files")
model = rec.load_object("params.pkl", allow=[sys.argv[2]])
print(type(model).__name__, model.factor)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "my-model.v2.py").write_text(MODEL)
    return tmp_path / "strategy"


def named(path, month="2020-03-02"):
    model = {"class": "Halved", "module_path": str(path), "kwargs": {"factor": 0.25}}
    return {**task_of(month), "model": model}


@pytest.mark.slow
def test_tasks_are_trained_in_workers_and_their_models_load_in_another_process(folder, monkeypatch):
    monkeypatch.setenv("WF_MAX_WORKERS", "2")
    init()
    tasks = [named(folder / "my-model.v2.py", month) for month in ("2020-03-02", "2020-04-01")]
    recorders = TrainerR("files")(tasks)
    plain = [task_train(task_of("2020-03-02"), "plain")]
    quarter = recorders[0].load_object("pred.pkl") / 0.25
    assert (quarter - plain[0].load_object("pred.pkl")).abs().max().item() < 1e-12
    (module,) = modules_named({"model": tasks[0]["model"]})
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, recorders[0].id, module],
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ},
    )
    assert loaded.stdout == "Halved 0.25\n", loaded.stderr[-1500:]


@pytest.mark.parametrize("kind", [TrainerR, TrainerRM, DelayTrainerR, DelayTrainerRM])
def test_who_has_trained_a_task_loads_its_model(kind, folder):
    (recorder,) = kind("files")(named(folder / "my-model.v2.py"))
    assert recorder.load_object("params.pkl").factor == 0.25


def test_a_file_is_not_run_for_whoever_only_loads_a_pickle(folder, tmp_path):
    recorder = task_train(named(folder / "my-model.v2.py"), "files")
    (folder / "my-model.v2.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n" + MODEL)
    code = LOAD.replace("allow=[sys.argv[2]]", "")
    result = subprocess.run(
        [sys.executable, "-c", code, recorder.id], capture_output=True, text=True, cwd="/"
    )
    assert UnsafeObjectError.__name__ in result.stderr
    assert not (tmp_path / "ran").exists()


def test_a_relative_path_is_of_the_workflow_file_or_else_of_the_current_folder(
    folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    beside = place_module_files(named("my-model.v2.py"), folder)
    assert beside["model"]["module_path"] == str(folder / "my-model.v2.py")
    here = place_module_files(named("strategy/my-model.v2.py"), "/nowhere")
    assert here["model"]["module_path"] == str(folder / "my-model.v2.py")
    nested = {"record": [{"kwargs": {"inner": named("my-model.v2.py")["model"]}}], "n": 1}
    placed = place_module_files(nested, folder)
    inner = placed["record"][0]["kwargs"]["inner"]["module_path"]
    assert inner == str(folder / "my-model.v2.py")
    assert nested["record"][0]["kwargs"]["inner"]["module_path"] == "my-model.v2.py"
    assert type(init_instance(named("strategy/my-model.v2.py")["model"])).__name__ == "Halved"


def test_a_task_has_one_fingerprint_wherever_its_folder_lies(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "moved")
    tasks = [named("my-model.v2.py"), *(named(f / "my-model.v2.py") for f in (folder, other))]
    assert len({fingerprint(task) for task in tasks}) == 1
    ready = [{"model": find_class(task["model"])} for task in tasks[1:]]
    assert fingerprint(ready[0]) == fingerprint(ready[1])
    assert fingerprint(named("another.py")) != fingerprint(tasks[0])


def test_two_files_of_one_name_are_two_modules(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "my-model.v2.py").write_text(MODEL.replace("* self.factor", "* -self.factor"))
    first, second = (find_class(named(f / "my-model.v2.py")["model"]) for f in (folder, other))
    assert first is not second
    assert find_class(named(folder / "my-model.v2.py")["model"]) is first


@pytest.mark.parametrize("path", ["/a b/mödel_1.py", "/x.y/z--w.py"])
def test_a_module_is_named_after_the_place_of_its_file(path):
    from wf_dagster.imports.module_files import find_named_file

    assert str(find_named_file(name_module(path))) == path
    assert name_module(path).removeprefix("wf_dagster.imports.module_files.").isidentifier()
    assert find_named_file("wf_dagster.records") is None


def test_a_file_that_is_not_there_or_fails_is_said_with_its_place(folder):
    with pytest.raises(TaskError, match=r"model\.class: module_path '.*/gone\.py' is not there"):
        task_train(named(folder / "gone.py"), "files")
    (folder / "broken.py").write_text("import nowhere_to_be_found")
    with pytest.raises(TaskError, match="needs 'nowhere_to_be_found'"):
        task_train(named(folder / "broken.py"), "files")
    with pytest.raises(TaskError, match="did you mean 'Halved'"):
        find_class({"class": "Halvd", "module_path": str(folder / "my-model.v2.py")})
    assert "files" not in R.list_experiments()
