"""The daily life of online models, here and by Qlib.

``python -m benchmarks.online [--models 10] [--sessions 60 125 250]`` prints what the daily routine
of some models takes as a process of its own, imports included, and what a session costs in shorter
and longer simulations: the cost is to stay the same.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.bench import Bench, Figures, Size, check_same
from benchmarks.market import day, end_calendar
from benchmarks.sides import HERE, QLIB, Answer
from benchmarks.support import row
from benchmarks.templates import REACH, handler_file, on_handler, ridge, template
from benchmarks.tracking import fill
from benchmarks.workflow import EXPERIMENT, store_of, workflow

SERVED = 12  # sessions that the online models have predicted before an update
WINDOW = 48  # sessions of their test segment


@dataclass(frozen=True)
class Models(Size):
    """Models that serve.

    Attributes:
        models: How many; they differ in their regularisation.
        instruments: Of the prices.
        days: Of the prices.
    """

    models: int
    instruments: int
    days: int = 800


@dataclass(frozen=True)
class Simulation(Size):
    """Sessions to work through.

    Attributes:
        sessions: How many.
        step: Sessions of a roll.
        instruments: Of the prices.
        days: Of the prices.
    """

    sessions: int
    step: int = 5
    instruments: int = 30
    days: int = 500


@dataclass(frozen=True)
class Recorders(Size):
    """Recorders in one experiment.

    Attributes:
        recorders: How many.
        online: How many of them are online.
    """

    recorders: int
    online: int = 10


# rows


def update(bench: Bench, size: Models) -> Figures:
    """Bring online models up to date when there is one session more."""
    answers = {}
    for side in (QLIB, HERE):
        home, provider = _served(bench, side, size)
        answers[side] = bench.run(update_models, side, home, provider)
    check_same(answers[QLIB]["scores"], answers[HERE]["scores"])
    return Figures(answers[QLIB]["seconds"], answers[HERE]["seconds"])


def simulate(bench: Bench, size: Simulation) -> Figures:
    """Work through past sessions."""
    provider = f"{bench.market(size.instruments, size.days)}/provider"
    answers = {
        side: bench.run(simulate_sessions, side, bench.home(), provider, vars(size))
        for side in (QLIB, HERE)
    }
    check_same(answers[QLIB]["scores"], answers[HERE]["scores"])
    return Figures(answers[QLIB]["seconds"], answers[HERE]["seconds"])


def find(bench: Bench, size: Recorders) -> Figures:
    """Find the online recorders among many."""
    both = [bench.once(_found_and_switched, side, size) for side in (QLIB, HERE)]
    return Figures(*(answer["find"] for answer in both))


def switch(bench: Bench, size: Recorders) -> Figures:
    """Let other recorders be online."""
    both = [bench.once(_found_and_switched, side, size) for side in (QLIB, HERE)]
    return Figures(*(answer["switch"] for answer in both))


def _served(bench: Bench, side: str, size: Models) -> tuple[str, str]:
    """A home with online models, and prices with a session that they have not predicted."""
    home = bench.home()
    provider = f"{bench.own_market(size.instruments, size.days)}/provider"
    end_calendar(provider, size.days - 1)
    bench.run(begin_models, side, home, provider, vars(size))
    end_calendar(provider, size.days)
    return home, provider


def _found_and_switched(bench: Bench, side: str, size: Recorders) -> Answer:
    answer: Answer = bench.run(find_and_switch, side, bench.home(), size.recorders, size.online)
    return answer


# jobs


def begin_models(side: str, home: str, provider: str, size: dict[str, Any]) -> Answer:
    """Train models on all sessions but the last ones, and let them predict up to the present."""
    at = workflow(side, home, provider)
    templates = _templates(Models(**size))
    if side == QLIB:  # training is no part of the measurement
        file = handler_file(templates[0], home)
        templates = [on_handler(task, file) for task in templates]
    manager = at.OnlineManager(_strategy(at, templates))
    manager.first_train()
    manager.routine()
    if side == QLIB:
        manager.to_pickle(f"{home}/manager.pkl")
    return {}


def update_models(side: str, home: str, provider: str) -> Answer:
    """Seconds to bring the predictions of the online models up to date."""
    at = workflow(side, home, provider)
    tool = at.OnlineToolR(EXPERIMENT)
    started = time.perf_counter()
    tool.update_online_pred()
    seconds = time.perf_counter() - started
    scores: dict[str, pd.Series[float]] = {}
    for recorder in tool.online_models():
        alpha = recorder.load_object("task")["model"]["kwargs"]["alpha"]
        scores[f"{alpha:.6f}"] = recorder.load_object("pred.pkl")["score"]
    frame = pd.concat(dict(sorted(scores.items())), axis=1)
    return {"seconds": seconds, "scores": _kept(frame, home)}


def run_session(side: str, home: str, provider: str, size: dict[str, Any]) -> Answer:
    """Seconds of the daily routine."""
    at = workflow(side, home, provider)
    started = time.perf_counter()
    if side == HERE:
        manager = at.OnlineManager.from_store(_strategy(at, _templates(Models(**size))))
    else:
        manager = at.OnlineManager.load(f"{home}/manager.pkl")
    manager.routine()
    return {"seconds": time.perf_counter() - started}


def simulate_sessions(side: str, home: str, provider: str, size: dict[str, Any]) -> Answer:
    """Seconds of a simulation, and the signals that it makes."""
    at = workflow(side, home, provider)
    chosen = Simulation(**size)
    first = chosen.days - chosen.sessions - chosen.step
    task = template(ridge(), chosen.days, (first, first + chosen.step - 1))
    generator = at.RollingGen(chosen.step, at.RollingGen.ROLL_SD, trunc_days=REACH)
    strategy = at.RollingStrategy(EXPERIMENT, task, generator)
    manager = at.OnlineManager(strategy, begin_time=day(first))
    started = time.perf_counter()
    signals = manager.simulate(day(first + chosen.sessions - 1))
    seconds = time.perf_counter() - started
    signals = signals[~signals.index.duplicated(keep="last")]  # Qlib has some sessions twice
    return {"seconds": seconds, "scores": _kept(signals.to_frame("score"), home)}


def find_and_switch(side: str, home: str, recorders: int, online: int) -> Answer:
    """Seconds to find the online recorders, and to switch to others."""
    at = workflow(side, home)
    experiment = at.R.get_exp(experiment_name=EXPERIMENT)
    fill(store_of(side, home), experiment.id, recorders)
    listed = list(experiment.list_recorders().values())
    tool = at.OnlineToolR(EXPERIMENT)
    tool.reset_online_tag(listed[:online])
    started = time.perf_counter()
    models = tool.online_models()
    middle = time.perf_counter()
    tool.reset_online_tag(listed[online : 2 * online])
    ended = time.perf_counter()
    assert len(models) == len(tool.online_models()) == online
    return {"find": middle - started, "switch": ended - middle}


def _templates(size: Models) -> list[dict[str, Any]]:
    test_from = size.days - 1 - SERVED
    return [
        template(ridge(0.1 * (number + 1)), size.days, (test_from, test_from + WINDOW - 1))
        for number in range(size.models)
    ]


def _strategy(at: Any, templates: list[dict[str, Any]]) -> Any:
    generator = at.RollingGen(WINDOW, at.RollingGen.ROLL_SD, trunc_days=REACH)
    return at.RollingStrategy(EXPERIMENT, templates, generator)


def _kept(scores: pd.DataFrame, home: str) -> str:
    file = Path(home, "scores.parquet")
    scores.to_parquet(file)
    return str(file)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--sessions", type=int, nargs="*", default=[60, 125, 250])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        bench = Bench(folder)
        print(row("what", "Qlib", "here"), row(*["---"] * 3), sep="\n", flush=True)
        whole, routine = [], []
        size = Models(arguments.models, 30)
        for side in (QLIB, HERE):
            home, provider = _served(bench, side, size)
            answer = bench.run(run_session, side, home, provider, vars(size))
            whole.append(f"{answer['whole']:.2f}")
            routine.append(f"{answer['seconds']:.2f}")
        print(row(f"daily routine of {arguments.models} models, s", *routine), flush=True)
        print(row("the process as a whole, s", *whole), flush=True)
        for sessions in arguments.sessions:
            figures = simulate(bench, Simulation(sessions, 20))
            each = [f"{1000 * s / sessions:.0f}" for s in (figures.qlib, figures.here)]
            print(row(f"a session in a simulation of {sessions}, ms", *each), flush=True)


if __name__ == "__main__":
    main()
