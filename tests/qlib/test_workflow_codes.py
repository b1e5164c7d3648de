"""What a workflow file says: codes of instruments keep their zeros, variables may be unset."""

from __future__ import annotations

from pathlib import Path

import pytest

from wf_dagster.errors import TaskError
from wf_dagster.qlib_bridge.workflow_file import read_workflow

WORKFLOW = """
task:
  model: {class: LinearModel, module_path: qlib.contrib.model.linear, kwargs: {alpha: 007}}
  dataset:
    kwargs:
      handler:
        kwargs:
          instruments: [000001, 600000, 02, "003"]
          window: 010
"""


def test_codes_are_names_and_other_numbers_stay_numbers(tmp_path: Path) -> None:
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    task = read_workflow(tmp_path / "workflow.yaml")["task"]
    handler = task["dataset"]["kwargs"]["handler"]["kwargs"]
    assert handler == {"instruments": ["000001", 600000, "02", "003"], "window": 10}
    assert task["model"]["kwargs"]["alpha"] == 7
    assert type(task["model"]["kwargs"]["alpha"]) is int


def test_an_unset_variable_may_be_tested_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "workflow.yaml"
    path.write_text("task: {model: {% if NO_SUCH_NAME %}there{% else %}not_there{% endif %}}")
    assert read_workflow(path)["task"] == {"model": "not_there"}
    path.write_text("task: {model: '{{ NO_SUCH_NAME }}'}")
    with pytest.raises(TaskError, match=r"'NO_SUCH_NAME' is undefined"):
        read_workflow(path)
