"""Recorders, here and by Qlib, on the same SQLite store.

``python -m benchmarks.tracking [--recorders 40] [--listed 10000] [--qlib-python PATH]`` makes
recorders with 40 params, 10 metrics, 5 tags and 3 frames each and prints a Markdown table: store
round trips and milliseconds a recorder, and the time to list recorders with a filter on a tag.
Qlib's side runs in an interpreter that has pyqlib: this one, or the one given.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

IDLE = {"shut_down_async_logging", "sanitize_metric_value"}  # they ask the store nothing
PARAMS = {f"p{i}": i for i in range(40)}
METRICS = {f"m{i}": i / 10 for i in range(10)}
TAGS = {f"t{i}": f"tag {i}" for i in range(5)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recorders", type=int, default=40)
    parser.add_argument("--listed", type=int, default=10_000)
    parser.add_argument("--qlib-python", default=_own_interpreter())
    parser.add_argument("--qlib", help=argparse.SUPPRESS)  # a store: be Qlib's side
    arguments = parser.parse_args()
    if arguments.qlib:
        print(json.dumps(by_qlib(arguments.qlib, arguments.recorders)))
        return
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        ours = here(folder, arguments.recorders)
        listed, seconds = listing(folder, arguments.listed)
        print("| what | wf_dagster | Qlib |\n|---|---|---|")
        theirs = _beside(arguments.qlib_python, folder, arguments.recorders)
    for name, key in (("store round trips", "calls"), ("milliseconds", "ms")):
        print(f"| {name} a recorder | {ours[key]:.1f} | {theirs[key]:.1f} |")
    print(f"| list {listed:,} of {arguments.listed:,} recorders by a tag, s | {seconds:.2f} | |")
    if theirs["ms"] != theirs["ms"]:
        print("\nQlib is not installed here: name an interpreter that has it with --qlib-python")


def here(folder: str, count: int) -> dict[str, float]:
    """Round trips and milliseconds a recorder here."""
    import wf_dagster
    from wf_dagster import R

    wf_dagster.init(home=folder)
    return measured(R, f"sqlite:///{folder}/mlflow.db", count)


def by_qlib(uri: str, count: int) -> dict[str, float]:
    """Round trips and milliseconds a recorder by Qlib; git's and Qlib's messages are lost."""
    import qlib

    warnings.filterwarnings("ignore")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": uri, "default_exp_name": "Experiment"},
    }
    qlib.init(provider_uri=tempfile.gettempdir(), exp_manager=manager, logging_level=logging.ERROR)
    from qlib.workflow import R

    return measured(R, uri, count)


def measured(recorder: Any, uri: str, count: int) -> dict[str, float]:
    """Make one recorder to warm up, some for the time, and one whose round trips are counted."""
    frame = pd.DataFrame({"score": np.random.default_rng(0).normal(size=5000)})

    def track() -> None:
        with recorder.start(experiment_name="benchmark"):
            for name, value in PARAMS.items():
                recorder.log_params(**{name: value})
            for name, value in METRICS.items():
                recorder.log_metrics(**{name: value})
            recorder.set_tags(**TAGS)
            recorder.save_objects(**{"a.pkl": frame, "b.pkl": frame, "c.pkl": frame})

    track()
    started = time.perf_counter()
    for _ in range(count):
        track()
    seconds = time.perf_counter() - started
    return {"ms": 1000 * seconds / count, "calls": float(counted(track))}


def counted(work: Callable[[], None]) -> int:
    """The calls that the MLflow store gets while work is done, those it makes itself aside."""
    import threading

    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    calls: list[str] = []
    inside = threading.local()
    methods = {}

    def watched(name: str, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            outermost = not getattr(inside, "store", False)
            if outermost:
                calls.append(name)
                inside.store = True
            try:
                return method(*args, **kwargs)
            finally:
                if outermost:
                    inside.store = False

        return call

    for name in dir(SqlAlchemyStore):
        method = getattr(SqlAlchemyStore, name)
        plain = not name.startswith("_") and name not in IDLE
        if plain and callable(method) and not isinstance(method, type):
            if isinstance(vars(SqlAlchemyStore).get(name), (classmethod, staticmethod)):
                continue
            methods[name] = method
            setattr(SqlAlchemyStore, name, watched(name, method))
    try:
        work()
    finally:
        for name, method in methods.items():
            setattr(SqlAlchemyStore, name, method)
    return len(calls)


def listing(folder: str, count: int) -> tuple[int, float]:
    """How many of so many recorders have a tag, and the seconds to list them with their tags."""
    from wf_dagster import R
    from wf_dagster.tracking import find_recorders

    fill(Path(folder, "mlflow.db"), R.get_exp(experiment_name="listed").id, count)
    started = time.perf_counter()
    listed = find_recorders("listed", tags={"state": "online"})
    assert {r.list_tags()["state"] for r in listed} == {"online"}
    return len(listed), time.perf_counter() - started


def fill(store: Path, experiment_id: str, count: int) -> None:
    """Write finished runs straight into the store; every tenth has the tag that is looked for."""
    runs = [(f"{i:032x}", f"r{i}", i, i + 1, experiment_id) for i in range(count)]
    tags = [("wf_kind", "recorder", f"{i:032x}") for i in range(count)]
    tags += [("mlflow.runName", f"r{i}", f"{i:032x}") for i in range(count)]
    tags += [("state", "online", f"{i:032x}") for i in range(0, count, 10)]
    with sqlite3.connect(store) as connection:
        connection.executemany(
            "insert into runs (run_uuid, name, status, start_time, end_time, lifecycle_stage,"
            " artifact_uri, experiment_id, source_type, user_id)"
            " values (?, ?, 'FINISHED', ?, ?, 'active', 'file:///none', ?, 'LOCAL', 'me')",
            runs,
        )
        connection.executemany("insert into tags (key, value, run_uuid) values (?, ?, ?)", tags)


def _own_interpreter() -> str | None:
    return sys.executable if importlib.util.find_spec("qlib") else None


def _beside(python: str | None, folder: str, count: int) -> dict[str, float]:
    if python is None:
        return {"calls": float("nan"), "ms": float("nan")}
    done = subprocess.run(
        [python, __file__, "--qlib", f"sqlite:///{folder}/mlflow.db", "--recorders", str(count)],
        capture_output=True,
        text=True,
        check=True,
    )
    costs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return costs


if __name__ == "__main__":
    main()
