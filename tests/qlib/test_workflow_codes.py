"""Codes of instruments in a workflow file keep their zeros."""

from __future__ import annotations

from pathlib import Path

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
