"""Rolls trained from plain scripts: typed in, without a main guard, with classes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wf_dagster.tracking import find_recorders

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PLAIN = """
print("started")
from tests.support import roll
from wf_dagster import train_rolls
for outcome in train_rolls([roll("2020-01-01"), roll("2020-02-01")], "s", max_workers=2):
    print(outcome.key, outcome.error)
"""
OWN_CLASS = """
print("started")
import dataclasses
from tests.support import roll
from wf_dagster import train_rolls
from wf_dagster.models import SklearnModel

class Mine(SklearnModel):
    pass

def main():
    rolls = [roll(month) for month in ("2020-01-01", "2020-02-01")]
    for one in rolls:
        one.task["model"] = {"class": Mine, "kwargs": {"alpha": 2.0}}
    for outcome in train_rolls(rolls, "s", max_workers=2):
        print(outcome.key, outcome.error)

"""


def _run(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        input=text,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )


def _script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "script.py"
    path.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{text}")
    return str(path)


@pytest.mark.slow
def test_a_script_that_is_typed_in():
    done = _run("-", text=PLAIN)
    assert "2020-01-01 None" in done.stdout, done.stdout
    assert len(find_recorders("s")) == 2


def test_a_script_without_a_main_guard_runs_once(tmp_path):
    done = _run(_script(tmp_path, PLAIN))
    assert "2020-02-01 None" in done.stdout, done.stdout
    assert done.stdout.count("started") == 1
    assert len(find_recorders("s")) == 2


@pytest.mark.slow
def test_a_guarded_script_may_bring_classes_of_its_own(tmp_path):
    done = _run(_script(tmp_path, f'{OWN_CLASS}if __name__ == "__main__":\n    main()\n'))
    assert "2020-02-01 None" in done.stdout, done.stdout
    assert len(find_recorders("s")) == 2


@pytest.mark.slow
def test_an_unguarded_script_with_classes_of_its_own_is_told_what_to_do(tmp_path):
    done = _run(_script(tmp_path, f"{OWN_CLASS}main()\n"))
    assert done.returncode != 0
    assert 'must start under `if __name__ == "__main__":`' in done.stdout
    assert find_recorders("s", status=None) == []


LOADS_BACK = """
from tests.support import roll
from wf_dagster import R, TrainerR
from wf_dagster.models import SklearnModel
from wf_dagster.records import SigAnaRecord
from wf_dagster.tasks import fingerprint

class Mine(SklearnModel):
    pass

if __name__ == "__main__":
    tasks = [roll(month).task for month in ("2020-01-01", "2020-02-01")]
    for task in tasks:
        task["model"] = {"class": Mine, "kwargs": {"alpha": 2.0}}
    for task, recorder in zip(tasks, TrainerR("r")(tasks)):
        SigAnaRecord(recorder).generate()
        again = R.get_recorder(recorder_id=recorder.id)
        print("alpha", again.load_object("params.pkl").estimator.alpha)
        print("same", recorder.list_tags()["fingerprint"] == fingerprint(task))
"""


@pytest.mark.slow
def test_a_script_loads_back_what_its_workers_have_trained_with_its_classes(tmp_path):
    done = _run(_script(tmp_path, LOADS_BACK))
    assert [line for line in done.stdout.split("\n") if line.startswith(("alpha", "same"))] == [
        "alpha 2.0",
        "same True",
    ] * 2, done.stdout


LATER = """
from tests.support import roll
from wf_dagster import train_rolls
from wf_dagster.models import SklearnModel

def main():
    class Inner(SklearnModel):
        pass
    Inner.__qualname__ = "Gone"
    globals()["Gone"] = Inner  # the worker's copy of the script does not have it
    rolls = [roll(month) for month in ("2020-01-01", "2020-02-01")]
    for each in rolls:
        each.task["model"] = {"class": Inner, "kwargs": {"alpha": 2.0}}
    for outcome in train_rolls(rolls, "s", max_workers=2):
        print(outcome.key, outcome.error)

if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
def test_what_a_worker_cannot_import_is_named(tmp_path):
    done = _run(_script(tmp_path, LATER))
    (line,) = [line for line in done.stdout.split("\n") if line.startswith("2020-02-01")]
    assert "a worker process cannot import what is needed (AttributeError: " in line, done.stdout
    assert "'Gone'" in line
    assert "out of memory" not in done.stdout
