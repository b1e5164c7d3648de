"""Record what Qlib's online serving does, for the tests to compare with.

Needs nothing of this project. In an environment of its own, after ``pip install pyqlib==0.9.7``::

    python tests/online/record_qlib_online.py

writes ``qlib_online.json`` beside this file: the tasks that it trains at each session, its online
history, and its signals. Rows that it has twice, one for the session at which two routines meet,
are kept once.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import qlib
import qlib_frames as frames

TARGET = Path(__file__).with_name("qlib_online.json")


def start(folder: Path) -> None:
    for name in ("calendars", "instruments"):
        (folder / name).mkdir()
    for name, sessions in (("day", frames.SESSIONS), ("day_future", frames.CALENDAR)):
        lines = "".join(f"{session:%Y-%m-%d}\n" for session in sessions)
        (folder / "calendars" / f"{name}.txt").write_text(lines)
    frames.data().to_pickle(folder / "data.pkl")
    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": f"sqlite:///{folder}/mlflow.db", "default_exp_name": "Experiment"},
    }
    qlib.init(provider_uri=str(folder), exp_manager=manager, logging_level=logging.ERROR)


def task(folder: Path) -> dict[str, Any]:
    loader = {
        "class": "StaticDataLoader",
        "module_path": "qlib.data.dataset.loader",
        "kwargs": {"config": str(folder / "data.pkl")},
    }
    handler = {
        "class": "DataHandlerLP",
        "module_path": "qlib.data.dataset.handler",
        "kwargs": {"data_loader": loader},
    }
    return {
        "model": {
            "class": "LinearModel",
            "module_path": "qlib.contrib.model.linear",
            "kwargs": {"estimator": "ridge", "alpha": frames.ALPHA, "fit_intercept": True},
        },
        "dataset": {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": handler, "segments": dict(frames.SEGMENTS)},
        },
        "record": [{"class": "SignalRecord", "module_path": "qlib.workflow.record_temp"}],
    }


def dates(segments: dict[str, Any]) -> dict[str, list[str]]:
    return {name: [str(end)[:10] for end in pair] for name, pair in segments.items()}


def figures(folder: Path) -> dict[str, Any]:
    from qlib.model.trainer import TrainerR
    from qlib.workflow.online.manager import OnlineManager
    from qlib.workflow.online.strategy import RollingStrategy
    from qlib.workflow.task.gen import RollingGen

    trained: dict[str, Any] = {}

    class Noting(TrainerR):
        def train(self, tasks: Any, *args: Any, **kwargs: Any) -> Any:
            for one in tasks:
                trained.setdefault(f"{manager.cur_time:%Y-%m-%d}", []).append(
                    dates(one["dataset"]["kwargs"]["segments"])
                )
            return super().train(tasks, *args, **kwargs)

    generator = RollingGen(
        frames.STEP, RollingGen.ROLL_SD, ds_extra_mod_func=None, trunc_days=frames.REACH
    )
    strategy = RollingStrategy("qlib", task(folder), generator)
    manager = OnlineManager(strategy, Noting(), begin_time=frames.day(frames.BEGIN))
    signals = manager.simulate(end_time=frames.day(frames.END))
    rows = len(signals)
    signals = signals[~signals.index.duplicated(keep="last")].sort_index()
    history = {
        f"{session:%Y-%m-%d}": [
            dates(one.load_object("task")["dataset"]["kwargs"]["segments"])["test"][0]
            for one in models[strategy]
        ]
        for session, models in manager.history.items()
    }
    return {
        "qlib": qlib.__version__,
        "trained": trained,
        "history": history,
        "rows_with_duplicates": rows,
        "signals": {
            "rows": [[f"{d:%Y-%m-%d}", name] for d, name in signals.index],
            "values": [None if pd.isna(v) else float(v) for v in signals],
        },
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        start(Path(made))
        TARGET.write_text(json.dumps(figures(Path(made)), separators=(",", ":")) + "\n")
    sys.stdout.write(f"{TARGET.name} written\n")
