"""Functions and classes that are typed in: a notebook's kernel, a pipe, ``python -c``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from sklearn.linear_model import Ridge

from wf_dagster.errors import UnsafeObjectError
from wf_dagster.tracking import find_recorders

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
CODE = (Path(__file__).parent / "typed_in.py").read_text()


def run_notebook() -> str:
    cells = [nbformat.v4.new_code_cell(text) for text in CODE.split("\n\n\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    outputs = [o for cell in notebook.cells for o in cell.outputs if o.output_type == "stream"]
    return "".join(output["text"] for output in outputs)


def run_python(*arguments: str, text: str = "") -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        input=text,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
    )
    return done.stdout


@pytest.mark.parametrize(
    "run",
    [run_notebook, lambda: run_python("-", text=CODE), lambda: run_python("-c", CODE)],
    ids=["notebook", "pipe", "argument"],
)
def test_what_is_typed_in_trains_in_workers_and_is_loaded_back(run):
    said = run()
    assert "own True {'class': <class '__main__.Mine'>, 'kwargs': {'alpha': 2.0}}" in said, said
    assert "delayed ['FINISHED', 'FINISHED']" in said
    assert "here True" in said
    (locked,) = [line for line in said.split("\n") if line.startswith("locked ")]
    assert "TrainingError 1 of 4 tasks failed" in locked
    assert "cannot be sent to another process (cannot pickle '_thread.lock' object)" in locked
    assert "out of memory" not in said
    counts = {"own": 2, "kinds": 3, "delayed": 2, "apart": 1, "here": 1}
    trained = {name: find_recorders(name) for name in counts}
    assert {name: len(recorders) for name, recorders in trained.items()} == counts

    first = next(
        r for r in trained["own"] if "2020-01-02" in str(r.load_object("pred.pkl").index[0])
    )
    assert "IC" in first.list_metrics()
    for name in ("params.pkl", "task", "dataset"):
        with pytest.raises(UnsafeObjectError, match=r"'__main__'.*WF_TRUSTED_MODULES=__main__"):
            first.load_object(name)
    # with trust another process loads all of it by value, and comes to the same scores
    model = first.load_object("params.pkl", allow=["__main__"])
    data = first.load_object("dataset", allow=["__main__"])
    scores = first.load_object("pred.pkl")["score"]
    pd.testing.assert_series_equal(model.predict(data), scores, check_freq=False)
    rows = data.prepare("train", data_key="learn").dropna()
    plain = Ridge(alpha=2.0).fit(
        rows["feature"].to_numpy(), rows["label"].to_numpy()[:, 0], np.arange(1.0, len(rows) + 1)
    )
    wanted = plain.predict(data.prepare("test", "feature", "infer").to_numpy())
    np.testing.assert_allclose(scores.to_numpy(), wanted)
    # a task has one fingerprint, wherever it was trained
    fingerprints = {n: {r.list_tags()["fingerprint"] for r in rs} for n, rs in trained.items()}
    assert fingerprints["here"] == fingerprints["apart"] < fingerprints["delayed"]
