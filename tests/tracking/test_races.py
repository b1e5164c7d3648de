"""Many at once on one SQLite store: every run has exactly what is its own.

``WF_TEST_RECORDERS`` sets how many recorders each thread and process makes.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from tests.tracking.support import own_params, run_forked
from wf_dagster import R

pytestmark = pytest.mark.integration
EACH = int(os.environ.get("WF_TEST_RECORDERS", "6"))

WORK = """
import numpy as np, pandas as pd
def work(who, count):
    for n in range(count):
        with R.start(experiment_name="a", recorder_name=f"{who}-{n}"):
            R.log_params(who=who, n=n, **{f"p{i}": f"{who}-{n}-{i}" for i in range(20)})
            for step in range(5):
                R.log_metrics(step=step, value=1000 * who + n + step)
            R.set_tags(label=f"{who}-{n}")
            R.save_objects(**{"x.pkl": pd.DataFrame({"v": np.full(10, 1000.0 * who + n)})})
            if n % 5 == 4:
                R.end_exp("FAILED")
"""


def _check(workers, count):
    recorders = list(R.list_recorders(experiment_name="a").values())
    assert len(recorders) == workers * count
    assert len({r.name for r in recorders}) == workers * count
    for recorder in recorders:
        who, n = map(int, recorder.name.split("-"))
        params = own_params(recorder)
        assert len(params) == 22
        assert (params["who"], params["n"]) == (str(who), str(n))
        assert all(params[f"p{i}"] == f"{who}-{n}-{i}" for i in range(20))
        assert recorder.list_metrics() == {"value": 1000 * who + n + 4}
        assert recorder.list_tags()["label"] == recorder.name
        assert recorder.status == ("FAILED" if n % 5 == 4 else "FINISHED")
        expected = pd.DataFrame({"v": np.full(10, 1000.0 * who + n)})
        pd.testing.assert_frame_equal(recorder.load_object("x.pkl"), expected)


def test_eight_threads():
    names = {"R": R}
    exec(WORK, names)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(names["work"], range(8), [EACH] * 8))
    _check(8, EACH)


def test_four_processes():
    done = run_forked({str(who): WORK + f"work({who}, {EACH})" for who in range(4)})
    assert set(done.ends.values()) == {0}, done.err
    _check(4, EACH)


@pytest.mark.slow
def test_eight_processes_make_one_experiment(home):
    (home / "mlflow.db").unlink()  # they make its tables too
    code = 'R.get_exp(experiment_name="one").create_recorder()'
    done = run_forked({str(n): code for n in range(8)})
    assert set(done.ends.values()) == {0}, done.err
    assert len(R.list_recorders(experiment_name="one")) == 8
    assert sum(name == "one" for name in R.list_experiments()) == 1
