"""Collecting many recorders into one frame, here and by Qlib.

``python -m benchmarks.collect [--recorders 500 --rows 5000]`` makes recorders with a prediction
and a label each on a SQLite store in a temporary folder, collects them in a new process with warm
imports, and prints a Markdown table. Where pyqlib is installed, Qlib's own collector does the same
on a store of its own, with recorders as it writes them.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import pickle
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.support import Measure, apart, measured, row

EXPERIMENT = "bench"
INSTRUMENTS = 250
Result = tuple[Measure, int, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recorders", type=int, default=500)
    parser.add_argument("--rows", type=int, default=5000, help="of each prediction")
    size = parser.parse_args()
    print(f"{size.recorders} recorders, {size.rows} rows each, SQLite\n", flush=True)
    print(row("job", "seconds", "again", "memory before, MB", "at the peak, MB", "rows"))
    print(row(*["---"] * 6), flush=True)
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        apart(make, folder, size.recorders, size.rows)
        sums = [
            show("`RecorderCollector` + `RollingGroup`", apart(with_collector, folder)),
            show("`collect_rolling`, with labels", apart(with_rolling, folder)),
        ]
        if importlib.util.find_spec("qlib") is None:
            print("\nQlib is not installed here: `pip install pyqlib==0.9.7` to run it beside")
            return
        apart(make_for_qlib, folder, size.recorders, size.rows)
        sums.append(show("Qlib's `RecorderCollector` + `RollingGroup`", apart(with_qlib, folder)))
    if not np.allclose(sums, sums[0]):
        raise SystemExit("the collected frames differ")


def show(job: str, results: list[Result]) -> float:
    """Print a row of the table; returns the sum of the scores."""
    (first, rows, total), (again, *_) = results
    print(
        row(
            job,
            f"{first.seconds:.2f}",
            f"{again.seconds:.2f}",
            f"{first.before:.0f}",
            f"{first.peak:.0f}",
            f"{rows:,}",
        ),
        flush=True,
    )
    return total


def predictions(recorders: int, rows: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """A key and a frame of scores for each roll, one after the other in time."""
    names = [f"N{number:04d}" for number in range(INSTRUMENTS)]
    days = -(-rows // INSTRUMENTS)
    sessions = pd.bdate_range("1960-01-04", periods=days * recorders)
    random = np.random.default_rng(0)
    for number in range(recorders):
        mine = sessions[number * days : (number + 1) * days]
        index = pd.MultiIndex.from_product([mine, names], names=["datetime", "instrument"])
        scores = pd.DataFrame({"score": random.standard_normal(len(index))}, index)
        yield f"{mine[0]:%Y-%m-%d}", scores.iloc[:rows]


# this project


def make(folder: str, recorders: int, rows: int) -> None:
    """The recorders, as a training leaves them."""
    _settings(folder)
    from wf_dagster.tracking import R

    for key, pred in predictions(recorders, rows):
        with R.start(experiment_name=EXPERIMENT, recorder_name=key):
            label = pred.rename(columns={"score": "label"})
            R.save_objects(**{"pred.pkl": pred, "label.pkl": label})


def with_collector(folder: str) -> list[Result]:
    """Into one frame with a collector and a group."""
    _settings(folder)
    from wf_dagster.collect import RecorderCollector, RollingGroup
    from wf_dagster.tracking import R

    R.list_experiments()
    made = []
    for _ in range(2):
        with measured() as measure:
            collector = RecorderCollector(
                EXPERIMENT, RollingGroup(), rec_key_func=lambda r: ("model", r.name)
            )
            frame = collector()["pred"]["model",]
        made.append((measure, len(frame), float(frame["score"].sum())))
        del frame
    return made


def with_rolling(folder: str) -> list[Result]:
    """Into one frame of predictions and one of labels."""
    _settings(folder)
    from wf_dagster.collect import collect_rolling
    from wf_dagster.tracking import R, find_recorders

    R.list_experiments()
    made = []
    for _ in range(2):
        with measured() as measure:
            found = collect_rolling([(r.name, r) for r in find_recorders(EXPERIMENT)])
        made.append((measure, len(found.pred), float(found.pred["score"].sum())))
        del found
    return made


def _settings(folder: str) -> None:
    import wf_dagster

    os.environ["WF_HOME"] = folder
    wf_dagster.init(home=folder)


# Qlib


def make_for_qlib(folder: str, recorders: int, rows: int) -> None:
    """The recorders on a store of Qlib's, their predictions as pickles."""
    from mlflow.tracking import MlflowClient

    logging.disable(logging.WARNING)
    client = MlflowClient(_qlib_store(folder))
    artifacts = Path(folder, "qlib-artifacts")
    experiment = client.create_experiment(EXPERIMENT, artifacts.as_uri())
    for key, pred in predictions(recorders, rows):
        run = client.create_run(experiment, run_name=key)
        place = artifacts / run.info.run_id / "artifacts"
        place.mkdir(parents=True)
        (place / "pred.pkl").write_bytes(pickle.dumps(pred))
        client.set_terminated(run.info.run_id, "FINISHED")


def with_qlib(folder: str) -> list[Result]:
    """Into one frame with Qlib's collector and group."""
    warnings.simplefilter("ignore")
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    import qlib
    from qlib.model.ens.group import RollingGroup
    from qlib.workflow import R
    from qlib.workflow.task.collect import RecorderCollector

    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": _qlib_store(folder), "default_exp_name": EXPERIMENT},
    }
    qlib.init(provider_uri=folder, exp_manager=manager, logging_level=logging.ERROR)
    logging.disable(logging.WARNING)
    R.get_exp(experiment_name=EXPERIMENT)
    made = []
    for _ in range(2):
        with measured() as measure:
            collector = RecorderCollector(
                EXPERIMENT, RollingGroup(), rec_key_func=lambda r: ("model", r.name)
            )
            frame = collector()["pred"]["model",]
        made.append((measure, len(frame), float(frame["score"].sum())))
        del frame
    return made


def _qlib_store(folder: str) -> str:
    return f"sqlite:///{folder}/qlib.db"


if __name__ == "__main__":
    main()
