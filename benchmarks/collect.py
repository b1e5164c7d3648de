"""Collecting many recorders into one frame, here and by Qlib.

``python -m benchmarks.collect [--recorders 500 --rows 5000]`` makes recorders with a prediction
and a label each on a SQLite store in a temporary folder, collects them in a new process with warm
imports, and prints a Markdown table with the memory that it takes. Where pyqlib is installed,
Qlib's own collector does the same on a store of its own, with recorders as it writes them.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.bench import Bench, Figures, Size, check_close
from benchmarks.sides import HERE, QLIB, Answer, run
from benchmarks.support import measured, row
from benchmarks.workflow import EXPERIMENT, store_of, workflow

INSTRUMENTS = 250
PARAMS = {f"dataset.kwargs.handler.kwargs.name_{number}": number for number in range(30)}
METRICS = {"IC": 0.01, "ICIR": 0.1, "Rank IC": 0.02, "Rank ICIR": 0.2, "fit_seconds": 1.5}


@dataclass(frozen=True)
class Collection(Size):
    """What to collect.

    Attributes:
        recorders: How many.
        rows: Of the prediction of each.
    """

    recorders: int
    rows: int


def beside(bench: Bench, size: Collection) -> Figures:
    """Both collect as many recorders of their own into one frame."""
    answers = {}
    for side, write_recorders in ((QLIB, make_for_qlib), (HERE, make)):
        home = bench.home()
        bench.run(write_recorders, home, size.recorders, size.rows)
        answers[side] = bench.run(with_collector, side, home)
    qlib, here = answers[QLIB], answers[HERE]
    check_close([qlib["rows"], qlib["sum"]], [here["rows"], here["sum"]])
    return Figures(qlib["first"]["seconds"], here["first"]["seconds"])


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
        run(make, folder, size.recorders, size.rows)
        show("`RecorderCollector` + `RollingGroup`", run(with_collector, HERE, folder))
        show("`collect_rolling`, with labels", run(with_rolling, folder))
        if importlib.util.find_spec("qlib") is None:
            print("\nQlib is not installed here: `pip install pyqlib==0.9.7` to run it beside")
            return
        run(make_for_qlib, folder, size.recorders, size.rows)
        show("Qlib's `RecorderCollector` + `RollingGroup`", run(with_collector, QLIB, folder))


def show(job: str, answer: Answer) -> None:
    """Print a row of the table."""
    first = answer["first"]
    figures = [answer["again"]["seconds"], first["before"], first["peak"]]
    cells = (f"{figures[0]:.2f}", f"{figures[1]:.0f}", f"{figures[2]:.0f}")
    print(row(job, f"{first['seconds']:.2f}", *cells, f"{answer['rows']:,}"), flush=True)


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


def _task(key: str) -> dict[str, Any]:
    """What a training keeps of its definition."""
    kwargs = {"segments": {"test": (key, None)}, "handler": {"class": "Alpha158", "kwargs": PARAMS}}
    return {"model": {"class": "LinearModel"}, "dataset": {"class": "DatasetH", "kwargs": kwargs}}


def _key(recorder: Any) -> tuple[str, str]:
    """Model and roll, which Qlib's examples read from the task."""
    task = recorder.load_object("task")
    return task["model"]["class"], task["dataset"]["kwargs"]["segments"]["test"][0]


# jobs


def make(home: str, recorders: int, rows: int) -> Answer:
    """The recorders, as a training leaves them here."""
    _settings(home)
    from wf_dagster.tracking import R

    for key, pred in predictions(recorders, rows):
        with R.start(experiment_name=EXPERIMENT, recorder_name=key):
            label = pred.rename(columns={"score": "label"})
            objects: dict[str, Any] = {"pred.pkl": pred, "label.pkl": label, "task": _task(key)}
            R.log_params(**PARAMS)
            R.log_metrics(**METRICS)
            R.save_objects(**objects)
    return {}


def make_for_qlib(home: str, recorders: int, rows: int) -> Answer:
    """The recorders on a store of Qlib's, their predictions as pickles."""
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    logging.disable(logging.WARNING)
    client = MlflowClient(f"sqlite:///{store_of(QLIB, home)}")
    artifacts = Path(home, "qlib-artifacts")
    experiment = client.create_experiment(EXPERIMENT, artifacts.as_uri())
    for key, pred in predictions(recorders, rows):
        run = client.create_run(experiment, run_name=key)
        place = artifacts / run.info.run_id / "artifacts"
        place.mkdir(parents=True)
        (place / "pred.pkl").write_bytes(pickle.dumps(pred))
        (place / "task").write_bytes(pickle.dumps(_task(key)))
        metrics = [Metric(name, value, 0, 0) for name, value in METRICS.items()]
        params = [Param(name, str(value)) for name, value in PARAMS.items()]
        client.log_batch(run.info.run_id, metrics=metrics, params=params)
        client.set_terminated(run.info.run_id, "FINISHED")
    return {}


def with_collector(side: str, home: str) -> Answer:
    """Into one frame with a collector and a group."""
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    at = workflow(side, home)

    def collected() -> Any:
        collector = at.RecorderCollector(EXPERIMENT, at.RollingGroup(), rec_key_func=_key)
        return collector()["pred"]["LinearModel",]

    return _twice(collected)


def with_rolling(home: str) -> Answer:
    """Into one frame of predictions and one of labels."""
    _settings(home)
    from wf_dagster.collect import collect_rolling
    from wf_dagster.tracking import R, find_recorders

    R.list_experiments()
    return _twice(lambda: collect_rolling([(r.name, r) for r in find_recorders(EXPERIMENT)]).pred)


def _twice(collected: Any) -> Answer:
    answer: Answer = {}
    for name in ("first", "again"):
        with measured() as measure:
            frame = collected()
        answer |= {name: vars(measure), "rows": len(frame), "sum": float(frame["score"].sum())}
        del frame
    return answer


def _settings(home: str) -> None:
    import wf_dagster

    wf_dagster.init(home=home)


if __name__ == "__main__":
    main()
