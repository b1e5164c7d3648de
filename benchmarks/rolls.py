"""Training rolls of Alpha158 with ``TrainerR``: time, overhead and memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.bench import Bench, Figures, Size, check_same
from benchmarks.sides import HERE, QLIB, Answer
from benchmarks.templates import MODELS, REACH, handler_file, on_handler, template
from benchmarks.workflow import EXPERIMENT, workflow

FLOAT32 = 4  # bytes of a value, as Qlib holds its raw features


@dataclass(frozen=True)
class Rolls(Size):
    """How much to train.

    Attributes:
        instruments: Of the prices.
        days: Of the prices.
        rolls: One after the other; the last ends with the prices.
        model: ``"ridge"`` or ``"lightgbm"``.
        by_qlib: Rolls that Qlib trains; its time is scaled to all of them.
        step: Sessions of a roll.
    """

    instruments: int
    days: int
    rolls: int
    model: str = "ridge"
    by_qlib: int = 0
    step: int = 20

    def template(self) -> dict[str, Any]:
        """A task over all rolls."""
        test_from = self.days - self.rolls * self.step
        return template(MODELS[self.model](), self.days, (test_from, self.days - 1))


# rows


def fresh(bench: Bench, size: Rolls) -> Figures:
    """Both with nothing computed before."""
    market = bench.market(size.instruments, size.days)
    note = ""
    by_qlib = size.by_qlib or size.rolls
    if by_qlib < size.rolls:
        note = f"Qlib: {by_qlib} rolls, scaled to {size.rolls}"
    qlib = bench.run(train, QLIB, market, bench.home(), vars(size), by_qlib)
    here = bench.run(train, HERE, market, bench.home(), vars(size), size.rolls)
    check_same(qlib["scores"], here["scores"])
    return Figures(qlib["seconds"] * size.rolls / by_qlib, here["seconds"], note)


def warm(bench: Bench, size: Rolls) -> Figures:
    """Qlib with its handler cached to a file; here with features in the cache."""
    qlib, here = (_warm(bench, size, side) for side in (QLIB, HERE))
    check_same(qlib["scores"], here["scores"])
    return Figures(qlib["seconds"], here["seconds"])


def memory(bench: Bench, size: Rolls) -> Figures:
    """The most memory of the process tree, in copies of the raw features."""
    qlib, here = (_warm(bench, size, side, watch=True) for side in (QLIB, HERE))
    check_same(qlib["scores"], here["scores"])
    two, copy = _warm(bench, size, HERE, workers=2, watch=True), _copy(size)
    note = (
        f"one copy is {copy / 2**20:.0f} MB; here with `WF_MAX_WORKERS=2` "
        f"{two['peak'] / copy:.2g} copies, in {two['seconds']:.0f} s and not {here['seconds']:.0f}"
    )
    return Figures(qlib["peak"] / copy, here["peak"] / copy, note)


def memory_fresh(bench: Bench, size: Rolls) -> Figures:
    """The same with nothing computed before; the peak of Qlib's is that of any roll."""
    market, copy = bench.market(size.instruments, size.days), _copy(size)
    qlib, here = (
        bench.run(train, side, market, bench.home(), vars(size), rolls, watch=True)
        for side, rolls in ((QLIB, size.by_qlib), (HERE, size.rolls))
    )
    check_same(qlib["scores"], here["scores"])
    note = f"Qlib: {size.by_qlib} of the rolls"
    return Figures(qlib["peak"] / copy, here["peak"] / copy, note)


def _copy(size: Rolls) -> int:
    """Bytes of the raw features, as Qlib holds them."""
    return size.instruments * size.days * FLOAT32 * (158 + 1)


def _warm(
    bench: Bench, size: Rolls, side: str, workers: int | None = None, watch: bool = False
) -> Answer:
    market = bench.market(size.instruments, size.days)
    home, handler = bench.once(_ready, side, size)
    answer: Answer = bench.run(
        train, side, market, home, vars(size), size.rolls, handler, workers, watch=watch
    )
    return answer


def overhead(bench: Bench, size: Rolls) -> Figures:
    """Seconds a roll beyond dataset, fit and predict, in one process."""
    market = bench.market(size.instruments, size.days)
    answers = {}
    for side in (QLIB, HERE):
        home, handler = bench.once(_ready, side, size)
        answers[side] = bench.run(one_by_one, side, market, home, vars(size), handler)
    return Figures(answers[QLIB]["beyond"], answers[HERE]["beyond"])


def _ready(bench: Bench, side: str, size: Rolls) -> tuple[str, str | None]:
    """A home where features are computed already, and the file in which Qlib has its handler."""
    home = bench.home()
    market = bench.market(size.instruments, size.days)
    return home, bench.run(prepare, side, market, home, vars(size))["handler"]


# jobs


def train(
    side: str,
    market: str,
    home: str,
    size: dict[str, Any],
    rolls: int,
    handler: Any = None,
    workers: int | None = None,
) -> Answer:
    """Train rolls and keep what they predicted."""
    at = workflow(side, home, f"{market}/provider")
    if workers:
        _use_workers(workers)
    tasks = _tasks(at, Rolls(**size), handler)[:rolls]
    started = time.perf_counter()
    recorders = at.TrainerR(EXPERIMENT)(tasks)
    seconds = time.perf_counter() - started
    assert len(recorders) == rolls
    scores = Path(home, "scores.parquet")
    pd.concat([recorder.load_object("pred.pkl") for recorder in recorders]).to_parquet(scores)
    return {"seconds": seconds, "scores": str(scores)}


def prepare(side: str, market: str, home: str, size: dict[str, Any]) -> Answer:
    """Have features computed, each side in its own way."""
    at = workflow(side, home, f"{market}/provider")
    if side == HERE:
        at.TrainerR("warm")(_tasks(at, Rolls(**size))[:2])
        return {"handler": None}
    return {"handler": handler_file(Rolls(**size).template(), home)}


def one_by_one(
    side: str, market: str, home: str, size: dict[str, Any], handler: Any = None
) -> Answer:
    """Train rolls in this process, with a watch on what is not overhead."""
    at = workflow(side, home, f"{market}/provider")
    if side == HERE:
        _use_workers(1)
    tasks = _tasks(at, Rolls(**size), handler)
    at.TrainerR(EXPERIMENT)(tasks[:1])
    with _stopwatch(side) as inside:
        started = time.perf_counter()
        at.TrainerR(EXPERIMENT)(tasks)
        seconds = time.perf_counter() - started
    return {"beyond": (seconds - inside[0]) / len(tasks)}


def _use_workers(workers: int) -> None:
    import wf_dagster

    saved = wf_dagster.get_settings().model_dump(mode="json")
    wf_dagster.init(**{**saved, "max_workers": workers})


def _tasks(at: Any, size: Rolls, handler: Any = None) -> list[Any]:
    task = on_handler(size.template(), handler)
    generator = at.RollingGen(step=size.step, rtype=at.RollingGen.ROLL_SD, trunc_days=REACH)
    return list(at.task_generator(task, generator))


@contextmanager
def _stopwatch(side: str) -> Iterator[list[float]]:
    """The seconds that the block spends in datasets, fit and predict."""
    from qlib.contrib.model.linear import LinearModel
    from qlib.data.dataset import DatasetH

    watched: list[tuple[Any, str]] = [
        (DatasetH, "__init__"),
        (DatasetH, "prepare"),
        (LinearModel, "fit"),
        (LinearModel, "predict"),
    ]
    if side == HERE:  # handlers are made before the dataset
        from wf_dagster.qlib_bridge import datasets

        watched.append((datasets, "make_handler"))
    inside = [0.0]
    depth = 0

    def timed(method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            depth += 1
            started = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                depth -= 1
                if depth == 0:
                    inside[0] += time.perf_counter() - started

        return call

    saved = [(owner, name, getattr(owner, name)) for owner, name in watched]
    for owner, name, method in saved:
        setattr(owner, name, timed(method))
    try:
        yield inside
    finally:
        for owner, name, method in saved:
            setattr(owner, name, method)
