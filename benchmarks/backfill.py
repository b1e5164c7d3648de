"""A backfill of the sample strategy beside the least it could take.

``python -m benchmarks.backfill [--rolls N]`` prints a Markdown table: the wall time of one Dagster
run over all rolls beside one feature pass plus the sum of fit times over the cores; and what a roll
beyond fit and predict when one process does one roll after the other.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import wf_dagster
from benchmarks.bench import Bench, Figures, Size
from benchmarks.sides import ROOT
from wf_dagster.settings import get_settings

STRATEGY = "sp500_ridge"
PARTS = ("recorders", "predictions", "labels")


@dataclass(frozen=True)
class Backfill(Size):
    """Partitions to materialize.

    Attributes:
        partitions: How many, in one run.
        alone: How many of them, each in a run of its own; the time is scaled to all.
    """

    partitions: int
    alone: int


def one_run(bench: Bench, size: Backfill) -> Figures:
    """A backfill as one Dagster run, beside one run a partition."""
    from assets.demo import rolls_of

    home = bench.home()
    wf_dagster.init(home=home)
    keys = rolls_of(STRATEGY).keys[: size.partitions]
    alone = sum(materialize(home, "--partition", key) for key in keys[: size.alone])
    whole = materialize(bench.home(), "--partition-range", f"{keys[0]}...{keys[-1]}")
    note = f"beside one Dagster run a partition: {size.alone} runs, scaled to {size.partitions}"
    return Figures(alone * size.partitions / size.alone, whole, note)


def materialize(home: str, *partitions: str) -> float:
    """Seconds of ``dagster asset materialize``."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "assets.definitions"]
    selection = ",".join(f"{STRATEGY}/{part}" for part in PARTS)
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--select", selection, *partitions],
        cwd=ROOT,
        env={**os.environ, "WF_HOME": home, "DAGSTER_HOME": home},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"dagster asset materialize failed:\n{done.stderr[-3000:]}")
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rolls", type=int, default=48)
    rolls = parser.parse_args().rolls
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        os.environ["WF_HOME"] = folder
        os.environ["DAGSTER_HOME"] = folder
        wf_dagster.init(home=folder)
        features = feature_pass()
        alone = one_after_the_other(rolls)
        wall, fit = through_dagster(rolls, Path(folder))
    cores = get_settings().max_workers
    least = features + fit / cores
    print("| what | figure |\n|---|---|")
    print(f"| rolls | {rolls} |")
    print(f"| one feature pass | {features:.2f} s |")
    print(f"| sum of fit times | {fit:.2f} s |")
    print(f"| feature pass + fit / {cores} cores | {least:.2f} s |")
    print(f"| backfill as one Dagster run, wall | {wall:.2f} s ({wall / least:.2f} x) |")
    print(f"| overhead a roll beyond fit and predict, one process | {alone * 1000:.0f} ms |")


def feature_pass() -> float:
    """Seconds to read the prices and compute the features, into an empty cache."""
    from assets.strategies import STRATEGIES
    from wf_dagster.tasks import init_instance

    return float(init_instance(STRATEGIES[STRATEGY].template["dataset"]).warm())


def one_after_the_other(rolls: int) -> float:
    """Seconds a roll beyond fit and predict, in this process, once it is warm."""
    from assets.demo import rolls_of
    from wf_dagster.tasks import init_instance
    from wf_dagster.tracking import find_recorders
    from wf_dagster.training import train_rolls

    chosen = list(rolls_of(STRATEGY))[: min(rolls, 20)]
    list(train_rolls(chosen[:1], "warm", max_workers=1))
    started = time.perf_counter()
    outcomes = list(train_rolls(chosen, "alone", max_workers=1))
    wall = time.perf_counter() - started
    predict = 0.0
    for recorder in find_recorders("alone"):
        task, model = recorder.load_object("task"), recorder.load_object("params.pkl")
        dataset = init_instance(task["dataset"])
        dataset.prepare("train")  # processors are fitted in fit's time, not in predict's
        started = time.perf_counter()
        model.predict(dataset)
        predict += time.perf_counter() - started
    fit = sum(outcome.fit_seconds for outcome in outcomes)
    return (wall - fit - predict) / len(chosen)


def through_dagster(rolls: int, folder: Path) -> tuple[float, float]:
    """Wall time of one run over the first rolls, and the sum of their fit times, in seconds."""
    import dagster as dg

    from assets.definitions import defs
    from assets.demo import rolls_of
    from wf_dagster.tracking import find_recorders

    keys = rolls_of(STRATEGY).keys[:rolls]
    job = defs.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        started = time.perf_counter()
        result = job.execute_in_process(
            asset_selection=[dg.AssetKey([STRATEGY, part]) for part in PARTS],
            tags={
                "dagster/asset_partition_range_start": keys[0],
                "dagster/asset_partition_range_end": keys[-1],
            },
            instance=instance,
        )
        wall = time.perf_counter() - started
    assert result.success
    recorders = find_recorders(STRATEGY)
    assert len(recorders) == rolls
    return wall, sum(recorder.list_metrics()["fit_seconds"] for recorder in recorders)


if __name__ == "__main__":
    main()
