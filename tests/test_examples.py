"""The examples run as they stand."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from wf_dagster.tracking import find_recorders

ROOT = Path(__file__).parents[1]


@pytest.mark.integration
def test_the_notebook_trains_loads_and_collects(home):
    notebook = nbformat.read(ROOT / "examples/quickstart.ipynb", as_version=4)
    lines = [
        line
        for cell in notebook.cells
        if cell.cell_type == "code"
        for line in cell.source.split("\n")
    ]
    assert sum(bool(line.strip()) for line in lines) <= 15
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    output = notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    assert "2020-04-30    20" in output
    assert len(find_recorders("quickstart")) == 2
