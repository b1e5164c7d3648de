"""What definitions cost that are loaded: seconds of a core and megabytes above Dagster.

``python -m benchmarks.loading [--rows 6000000] [--times 3]`` loads two strategies of one market
(monthly rolls, and rolls of 20 sessions) with no prices at all, with a file of many rows that was
never read, and with one whose sessions are known from an earlier run. Each load is a new process,
of which the fastest counts; beside them stand Dagster itself and Dagster with pandas.
"""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.support import apart, measured, row

_TEMPLATE = {
    "model": {
        "class": "SklearnModel",
        "module_path": "wf_dagster.models",
        "kwargs": {"estimator": "sklearn.linear_model.Ridge"},
    },
    "dataset": {
        "class": "PanelDataset",
        "module_path": "wf_dagster.data",
        "kwargs": {
            "features": "wf_dagster.data.features.price_features",
            "label": "wf_dagster.data.labels.forward_return",
            "segments": {"train": ("2008-01-02", "2017-12-29"), "test": ("2018-01-02", None)},
        },
    },
    "record": [],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loading", description=__doc__)
    parser.add_argument("--rows", type=int, default=6_000_000, help="of the price file")
    parser.add_argument("--times", type=int, default=3, help="how often each is loaded")
    arguments = parser.parse_args()
    print(row("what is loaded", "seconds above dagster", "MB above dagster"))
    print(row(*["---"] * 3))
    with tempfile.TemporaryDirectory(prefix="wf-bench-") as folder:
        os.environ["WF_HOME"] = f"{folder}/home"
        missing, many = f"{folder}/missing.parquet", f"{folder}/many.parquet"
        sessions = write_prices(many, arguments.rows)
        for what, load, *place in (
            ("pandas", import_pandas),
            ("definitions, no price file", load_definitions, missing),
            (f"definitions, {arguments.rows:,} rows never read", load_definitions, many),
        ):
            report(what, arguments.times, load, *place)
        apart(read_sessions, many)
        what = f"definitions, {arguments.rows:,} rows, {sessions:,} sessions known"
        report(what, arguments.times, load_definitions, many)


def report(what: str, times: int, load: Callable[..., None], *args: Any) -> None:
    """Print the fastest of some loads, and its memory."""
    seconds, megabytes = min(apart(above_dagster, load, *args) for _ in range(times))
    print(row(what, f"{seconds:.2f}", f"{megabytes:.0f}"), flush=True)


def above_dagster(load: Callable[..., None], *args: Any) -> tuple[float, float]:
    """Seconds of a core and megabytes of a load in a process that has imported Dagster."""
    importlib.import_module("dagster")
    started = time.process_time()
    with measured() as measure:
        load(*args)
    return time.process_time() - started, measure.peak - measure.before


def import_pandas() -> None:
    """What definitions would cost at least if they used it."""
    importlib.import_module("pandas")


def load_definitions(prices: str) -> None:
    """What a code location with two strategies does."""
    import dagster as dg  # in this function, as all that it imports is to be measured

    from wf_dagster import Market, RollingGen, build_rolling_assets
    from wf_dagster.orchestration import (
        TrackingResource,
        build_online_checks,
        build_online_schedule,
        build_signals_asset,
        new_data_sensor,
    )

    strategies = [
        build_rolling_assets(name, _TEMPLATE, RollingGen(step, trunc_days=7), market=Market(prices))
        for name, step in (("monthly", "month"), ("counted", 20))
    ]
    definitions = dg.Definitions(
        assets=[
            *(asset for strategy in strategies for asset in strategy),
            build_signals_asset(strategies),
        ],
        asset_checks=build_online_checks(strategies),
        schedules=[build_online_schedule(s, "30 17 * * *", "UTC") for s in strategies],
        sensors=[new_data_sensor(strategy) for strategy in strategies],
        resources={"tracking": TrackingResource()},
    )
    definitions.get_repository_def()


def write_prices(path: str, rows: int) -> int:
    """Random walks of one file; the number of its sessions."""
    import numpy as np  # here and below: not in the processes that are measured
    import pandas as pd

    days = pd.bdate_range("2000-01-03", "2023-12-29")
    names = [f"S{n:04d}" for n in range(max(rows // len(days), 1))]
    index = pd.MultiIndex.from_product([days, names], names=["datetime", "instrument"])
    steps = np.random.default_rng(0).normal(0, 0.01, (len(days), len(names)))
    closes = 100 * np.exp(steps.cumsum(axis=0)).ravel()
    pd.DataFrame({"close": closes}, index).to_parquet(path)
    return len(days)


def read_sessions(prices: str) -> None:
    """What a run or a sensor does first, which others then know of."""
    from wf_dagster import Market

    assert len(Market(prices).calendar)


if __name__ == "__main__":
    main()
