"""The daily life of online models, here and by Qlib.

``python -m benchmarks.online [--qlib-python PATH]`` measures, each in a new process on a SQLite
store in a temporary folder:

* the daily update of some online models, imports included, and where the time goes;
* what a session costs in a simulation of 60, 125 and 250 sessions;
* finding the online ones among many recorders, and switching them.

It prints a Markdown table. Qlib's side runs in an interpreter that has pyqlib: this one, or the
one given. There are as many instruments, features, rolls and models on both sides.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SESSIONS, TRAIN, TEST, STEP, REACH = 800, 100, 500, 20, 6
WINDOWS = (5, 10, 20, 60)
NAME = "bench"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instruments", type=int, default=30)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--sessions", type=int, nargs="*", default=[60, 125, 250])
    parser.add_argument("--recorders", type=int, default=2000)
    parser.add_argument("--qlib-python", default=_own_interpreter())
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        print(json.dumps(globals()[f"{given.job}_{given.side}"](given.folder, given.count)))
        return
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        write_prices(Path(folder), given.instruments)
        print("| what | wf_dagster | Qlib |\n|---|---|---|", flush=True)
        table(given, folder)
    if given.qlib_python is None:
        print("\nQlib is not installed here: name an interpreter that has it with --qlib-python")


def table(given: argparse.Namespace, folder: str) -> None:
    """Print the rows of the table as they are measured."""
    for count in given.sessions:
        cells = _both(given, folder, "simulate", count)
        _row(f"a session in a simulation of {count}, ms", cells, "ms")
    _both(given, folder, "begin", given.models)
    cells = _both(given, folder, "daily", 0)
    for part in ("whole", "imports", "manager", "routine"):
        _row(f"daily update of {given.models} models: {part}, s", cells, part)
    cells = _both(given, folder, "switch", given.recorders)
    _row(f"find 10 online ones among {given.recorders:,} recorders, s", cells, "find")
    _row("let 10 others be online, s", cells, "switch")


def write_prices(folder: Path, instruments: int) -> None:
    """The same random walks as a Parquet file and in Qlib's format."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(0)
    days = pd.bdate_range("2018-01-01", periods=SESSIONS, name="datetime")
    names = [f"S{number:03d}" for number in range(instruments)]
    steps = random.normal(0.0, 0.02, (SESSIONS, instruments)).cumsum(axis=0)
    close = pd.DataFrame(100 * np.exp(steps), index=days, columns=names).astype("float32")
    close.columns.name = "instrument"
    close.stack().rename("close").reset_index().to_parquet(folder / "prices.parquet")
    provider = folder / "provider"
    for name in ("calendars", "instruments"):
        (provider / name).mkdir(parents=True)
    write_calendar(folder, SESSIONS)
    spans = "".join(f"{name}\t{days[0]:%Y-%m-%d}\t{days[-1]:%Y-%m-%d}\n" for name in names)
    (provider / "instruments" / "all.txt").write_text(spans)
    for name in names:
        home = provider / "features" / name.lower()
        home.mkdir(parents=True)
        np.hstack([[0], close[name]]).astype("<f4").tofile(home / "close.day.bin")


def write_calendar(folder: Path, sessions: int) -> None:
    """Let Qlib know of so many sessions."""
    lines = "".join(f"{day(n)}\n" for n in range(sessions))
    (folder / "provider" / "calendars" / "day.txt").write_text(lines)


def day(position: int) -> str:
    """A session as an ISO date."""
    import pandas as pd

    days = pd.bdate_range("2018-01-01", periods=SESSIONS + STEP)
    return f"{days[position]:%Y-%m-%d}"


# here


def _start(folder: str, experiment: str) -> None:
    import wf_dagster

    home = Path(folder, experiment)
    wf_dagster.init(
        home=home, prices=str(Path(folder, "prices.parquet")), calendar="prices", max_workers=1
    )


def _strategy(models: int, test: int = TEST) -> Any:
    from wf_dagster import RollingGen, RollingStrategy

    func = "wf_dagster.data"
    templates = [
        {
            "model": {
                "class": "SklearnModel",
                "module_path": "wf_dagster.models",
                "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 1e-4 * (n + 1)},
            },
            "dataset": {
                "class": "PanelDataset",
                "module_path": "wf_dagster.data",
                "kwargs": {
                    "features": {
                        "func": f"{func}.features.momentum",
                        "kwargs": {"windows": list(WINDOWS)},
                    },
                    "label": {"func": f"{func}.labels.forward_return"},
                    "segments": {
                        "train": (day(TRAIN), day(test - 1)),
                        "test": (day(test), day(test + STEP - 1)),
                    },
                    "learn_processors": [{"class": "DropnaLabel"}],
                },
            },
            "record": [{"class": "SignalRecord", "module_path": "wf_dagster.records"}],
        }
        for n in range(models)
    ]
    return RollingStrategy(NAME, templates, RollingGen(STEP, trunc_days=REACH))


def simulate_here(folder: str, sessions: int) -> dict[str, float]:
    """Milliseconds a session of a simulation, the first training aside."""
    from wf_dagster import OnlineManager

    _start(folder, f"simulate-{sessions}")
    manager = OnlineManager(_strategy(1), begin_time=day(TEST))
    manager.first_train()
    return _per_session(lambda: manager.simulate(day(TEST + sessions - 1)), sessions)


def begin_here(folder: str, models: int) -> dict[str, float]:
    """Put models online at the last session but one."""
    from wf_dagster import OnlineManager

    _start(folder, "daily")
    manager = OnlineManager(_strategy(models, SESSIONS - 12), begin_time=day(SESSIONS - 2))
    manager.first_train()
    manager.routine(day(SESSIONS - 2))
    Path(folder, "models").write_text(str(models))
    return {}


def daily_here(folder: str, _: int) -> dict[str, float]:
    """Seconds of the update of the last session."""
    clock = _Clock()
    from wf_dagster import OnlineManager

    _start(folder, "daily")
    clock.lap("imports")
    models = int(Path(folder, "models").read_text())
    manager = OnlineManager.from_store(_strategy(models, SESSIONS - 12))
    clock.lap("manager")
    done = manager.routine()
    clock.lap("routine")
    assert len(done.predicted) == models
    return clock.laps


def switch_here(folder: str, recorders: int) -> dict[str, float]:
    """Seconds to find the online ones among many, and to switch."""
    from benchmarks.tracking import fill
    from wf_dagster import OnlineToolR, R

    _start(folder, "switch")
    experiment = R.get_exp(experiment_name=NAME)
    fill(Path(folder, "switch", "mlflow.db"), experiment.id, recorders)
    return _switched(OnlineToolR(NAME), list(experiment.list_recorders().values()))


# by Qlib


def _start_qlib(folder: str, name: str) -> None:
    import qlib

    warnings.filterwarnings("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # its and git's messages
    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": f"sqlite:///{folder}/qlib-{name}.db", "default_exp_name": NAME},
    }
    provider = f"{folder}/provider"
    qlib.init(provider_uri=provider, exp_manager=manager, logging_level=logging.ERROR)
    os.chdir(folder)


def _manager_of_qlib(models: int, test: int, begin: int) -> Any:
    from qlib.workflow.online.manager import OnlineManager
    from qlib.workflow.online.strategy import RollingStrategy
    from qlib.workflow.task.gen import RollingGen

    expressions = [f"$close/Ref($close, {window})-1" for window in WINDOWS]
    columns = {
        "feature": (expressions, [f"momentum_{window}" for window in WINDOWS]),
        "label": (["Ref($close, -6)/Ref($close, -1)-1"], ["LABEL0"]),
    }
    loader = {
        "class": "QlibDataLoader",
        "module_path": "qlib.data.dataset.loader",
        "kwargs": {"config": columns},
    }
    templates = [
        {
            "model": {
                "class": "LinearModel",
                "module_path": "qlib.contrib.model.linear",
                "kwargs": {"estimator": "ridge", "alpha": 1e-4 * (n + 1), "fit_intercept": True},
            },
            "dataset": {
                "class": "DatasetH",
                "module_path": "qlib.data.dataset",
                "kwargs": {
                    "handler": {
                        "class": "DataHandlerLP",
                        "module_path": "qlib.data.dataset.handler",
                        "kwargs": {
                            "instruments": "all",
                            "start_time": day(TRAIN),
                            "end_time": day(test + STEP - 1),
                            "data_loader": loader,
                        },
                    },
                    "segments": {
                        "train": (day(TRAIN), day(test - 1)),
                        "test": (day(test), day(test + STEP - 1)),
                    },
                },
            },
            "record": [{"class": "SignalRecord", "module_path": "qlib.workflow.record_temp"}],
        }
        for n in range(models)
    ]
    strategy = RollingStrategy(NAME, templates, RollingGen(STEP, trunc_days=REACH))
    return OnlineManager(strategy, begin_time=day(begin))


def simulate_qlib(folder: str, sessions: int) -> dict[str, float]:
    """Milliseconds a session of Qlib's simulation, its first training included."""
    _start_qlib(folder, f"simulate-{sessions}")
    manager = _manager_of_qlib(1, TEST, TEST)
    return _per_session(lambda: manager.simulate(day(TEST + sessions - 1)), sessions)


def begin_qlib(folder: str, models: int) -> dict[str, float]:
    """Put models online at the last session but one."""
    write_calendar(Path(folder), SESSIONS - 1)
    _start_qlib(folder, "daily")
    manager = _manager_of_qlib(models, SESSIONS - 12, SESSIONS - 2)
    manager.first_train()
    manager.routine(day(SESSIONS - 2))
    manager.to_pickle(f"{folder}/manager.pkl")
    write_calendar(Path(folder), SESSIONS)
    return {}


def daily_qlib(folder: str, _: int) -> dict[str, float]:
    """Seconds of Qlib's update of the last session."""
    clock = _Clock()
    from qlib.workflow.online.manager import OnlineManager

    _start_qlib(folder, "daily")
    clock.lap("imports")
    manager = OnlineManager.load(f"{folder}/manager.pkl")
    clock.lap("manager")
    manager.routine()
    clock.lap("routine")
    return clock.laps


def switch_qlib(folder: str, recorders: int) -> dict[str, float]:
    """Seconds to find the online ones among many, and to switch, by Qlib."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from benchmarks.tracking import fill

    _start_qlib(folder, "switch")
    from qlib.workflow import R
    from qlib.workflow.online.utils import OnlineToolR

    experiment = R.get_exp(experiment_name=NAME)
    fill(Path(folder, "qlib-switch.db"), experiment.id, recorders)
    return _switched(OnlineToolR(NAME), list(experiment.list_recorders().values()))


# both


def _switched(tool: Any, recorders: list[Any]) -> dict[str, float]:
    tool.reset_online_tag(recorders[:10])
    clock = _Clock()
    assert len(tool.online_models()) == 10
    clock.lap("find")
    tool.reset_online_tag(recorders[10:20])
    clock.lap("switch")
    return clock.laps


def _per_session(work: Any, sessions: int) -> dict[str, float]:
    with _quiet():
        started = time.perf_counter()
        work()
    return {"ms": 1000 * (time.perf_counter() - started) / sessions}


class _Clock:
    """Seconds of the parts of some work; ``whole`` is since the process was started."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()
        self._born = time.time() - float(os.environ.get("WF_BENCH_BORN") or time.time())

    def lap(self, name: str) -> None:
        """End a part."""
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now
        self.laps["whole"] = self._born + sum(s for n, s in self.laps.items() if n != "whole")


@contextmanager
def _quiet() -> Iterator[None]:
    """Progress bars and messages go nowhere."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)


def _both(given: argparse.Namespace, folder: str, job: str, count: int) -> list[Any]:
    answers = []
    for python, side in ((sys.executable, "here"), (given.qlib_python, "qlib")):
        if python is None:
            answers.append({})
            continue
        where = ["-m", "benchmarks.online"] if side == "here" else [__file__]
        what = ["--job", job, "--side", side, "--folder", folder, "--count", str(count)]
        done = subprocess.run(
            [python, *where, *what],
            env={**os.environ, "WF_BENCH_BORN": str(time.time())},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        answers.append(json.loads(done.stdout.splitlines()[-1]))
    return answers


def _row(what: str, cells: list[dict[str, float]], key: str) -> None:
    shown = [f"{cell[key]:.3g}" if key in cell else "" for cell in cells]
    print(f"| {what} | {' | '.join(shown)} |", flush=True)


def _own_interpreter() -> str | None:
    return sys.executable if importlib.util.find_spec("qlib") else None


if __name__ == "__main__":
    main()
