"""Rolling on the sessions of other markets: what is predicted, and that no label reaches too far.

``python -m benchmarks.markets [--market XSHG ...]`` makes prices on the real sessions of exchanges,
of a market that never closes, of weeks and of half hours, trains each kind of rolling on them and
prints a Markdown table. What is right is counted on the rows of the prices alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd

import wf_dagster
from benchmarks.support import apart, row
from wf_dagster import RollingGen, TrainerR, task_generator

FIRST, TEST, LAST = "2021-01-04", "2022-01-03", "2022-12-30"
LAG, HORIZON = 1, 4
REACH = LAG + HORIZON  # rows of prices after which a label is known
STEPS: tuple[int | str, ...] = (5, 20, "week", "month")
KINDS = (RollingGen.ROLL_SD, RollingGen.ROLL_EX)
INSTRUMENTS = [f"S{number:02d}" for number in range(8)]


@dataclass(frozen=True)
class Outcome:
    """What rolling on one market gave.

    Attributes:
        rolls: Trained.
        predicted: Rows of predictions.
        priced: Rows of prices from the first test session on.
        leaks: Rolls whose last train label was known after the first test session only.
        seconds: It took.
    """

    rolls: int
    predicted: int
    priced: int
    leaks: int
    seconds: float


def exchange_days(name: str) -> pd.DatetimeIndex:
    """The sessions of an exchange, from its own table."""
    calendar = exchange_calendars.get_calendar(name, start=FIRST, end=LAST)
    return pd.DatetimeIndex(calendar.sessions.tz_localize(None))


def half_hours(name: str = "XNYS") -> pd.DatetimeIndex:
    """The half hours of an exchange, short days included, in its own time."""
    calendar = exchange_calendars.get_calendar(name, start=FIRST, end=LAST)
    index = pd.DatetimeIndex(calendar.trading_index(FIRST, LAST, "30min", intervals=False))
    return index.tz_convert(calendar.tz).tz_localize(None)


MARKETS: dict[str, Callable[[], pd.DatetimeIndex]] = {
    **{
        name: lambda name=name: exchange_days(name)
        for name in ("XNYS", "XLON", "XTKS", "XSHG", "XHKG", "XBOM", "XSAU", "ASEX", "24/7")
    },
    "weekly": lambda: pd.date_range("2012-01-06", LAST, freq="W-FRI"),
    "30min": half_hours,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.markets", description=__doc__)
    parser.add_argument("--market", nargs="+", choices=MARKETS, default=list(MARKETS))
    arguments = parser.parse_args()
    head = ("market", "step", "rolling", "rolls", "rows predicted", "of", "labels too far", "s")
    print(row(*head), row(*["---"] * len(head)), sep="\n", flush=True)
    for name in arguments.market:
        for step, kind, outcome in apart(measure_market, name):
            print(
                row(
                    *(name, step, kind, outcome.rolls, outcome.predicted, outcome.priced),
                    *(outcome.leaks, f"{outcome.seconds:.1f}"),
                ),
                flush=True,
            )


def measure_market(
    name: str, steps: tuple[int | str, ...] = STEPS
) -> list[tuple[int | str, str, Outcome]]:
    """Every kind of rolling on the prices of one market."""
    with tempfile.TemporaryDirectory(prefix="wf-markets-") as home:
        days = MARKETS[name]()
        path = write_prices(Path(home), days)
        wf_dagster.init(home=home, prices=path)
        return [
            (step, kind, _roll(f"{step}-{kind}", step, kind, days))
            for step, kind in product(steps, KINDS)
        ]


def write_prices(folder: Path, days: pd.DatetimeIndex) -> str:
    """Random walks on some days, in a Parquet file."""
    steps = np.random.default_rng(0).normal(0, 0.01, (len(days), len(INSTRUMENTS)))
    closes = pd.DataFrame(
        50 * np.exp(steps.cumsum(0)),
        pd.DatetimeIndex(days, name="datetime"),
        pd.Index(INSTRUMENTS, name="instrument"),
    )
    path = folder / "prices.parquet"
    closes.stack().rename("close").reset_index().to_parquet(path)
    return str(path)


def _roll(experiment: str, step: int | str, kind: str, days: pd.DatetimeIndex) -> Outcome:
    started = time.perf_counter()
    tasks = task_generator(_template(days), RollingGen(step=step, rtype=kind, trunc_days=REACH))
    recorders = TrainerR(experiment)(tasks)
    seconds = time.perf_counter() - started
    frames = [recorder.load_object("pred.pkl") for recorder in recorders]
    predicted = pd.concat(frames).index
    assert predicted.is_unique
    segments = [task["dataset"]["kwargs"]["segments"] for task in tasks]
    first = segments[0]["test"][0]
    return Outcome(
        len(tasks),
        len(predicted),
        int((days >= first).sum()) * len(INSTRUMENTS),
        sum(_leaks(days, segment) for segment in segments),
        seconds,
    )


def _leaks(days: pd.DatetimeIndex, segments: dict[str, Any]) -> bool:
    """Whether the last train label needs prices from after the first test session."""
    last = int(days.searchsorted(_end(segments["train"][1]), side="right")) - 1
    return last + REACH > int(days.searchsorted(segments["test"][0]))


def _end(date: Any) -> pd.Timestamp:
    stamp = pd.Timestamp(date)
    is_day = stamp == stamp.normalize()
    return stamp + pd.Timedelta(days=1, nanoseconds=-1) if is_day else stamp


def _template(days: pd.DatetimeIndex) -> dict[str, Any]:
    dataset = {
        "segments": {"train": (days[30], "2021-12-31"), "test": (TEST, None)},
        "features": {
            "func": "wf_dagster.data.features.price_features",
            "kwargs": {"windows": [5, 20]},
        },
        "label": {
            "func": "wf_dagster.data.labels.forward_return",
            "kwargs": {"horizon": HORIZON, "lag": LAG},
        },
        "infer_processors": ["CSZScoreNorm", "Fillna"],
    }
    return {
        "model": {"class": "SklearnModel", "module_path": "wf_dagster.models"},
        "dataset": {"class": "PanelDataset", "module_path": "wf_dagster.data", "kwargs": dataset},
        "record": ["wf_dagster.records.SignalRecord"],
    }


if __name__ == "__main__":
    main()
