"""The main job on the sample prices, through Dagster: ``make demo``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import groupby

import dagster as dg
from rich.console import Console
from rich.table import Table

from assets.definitions import defs
from assets.progress import progress_logger, watching
from assets.strategies import STRATEGIES
from wf_dagster.collect import StrategyCollection, collect_strategy
from wf_dagster.errors import WfError
from wf_dagster.orchestration import rolling_partitions
from wf_dagster.settings import get_settings
from wf_dagster.tasks import Rolls
from wf_dagster.ui import prepare_dagster_home

PARTS = ("recorders", "predictions", "labels")
_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"

console = Console()


def main() -> int:
    """Backfill both strategies, collect, average, and print the figures."""
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(get_settings().make_home()))
    started = time.perf_counter()
    with dg.DagsterInstance.get() as instance:
        runner = Runner(instance)
        try:
            seconds = {name: runner.backfill(name) for name in STRATEGIES}
            runner.run([f"{name}/collected" for name in STRATEGIES] + ["signals"])
        except RunFailedError as error:
            console.print(f"[red]{error}[/red]\nThe run's page (`make ui`) has the details.")
            return 1
    for name in STRATEGIES:
        collection = collect_strategy(name, rolls_of(name))
        console.print(figures_table(name, collection, seconds[name]))
    home = get_settings().home
    console.print(
        f"Done in {time.perf_counter() - started:.0f} s. Everything is in {home} "
        "(dagster/, mlflow.db, artifacts/).\n"
        "`make ui` opens it: Dagster on port 3000, MLflow on port 5000.",
        soft_wrap=True,
    )
    return 0


class RunFailedError(WfError):
    """A Dagster run of the demo failed."""


class Runner:
    """Runs assets of this code location on the Dagster instance of the home folder."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        loud = dg.Definitions.merge(defs, dg.Definitions(loggers={"console": progress_logger}))
        self._job = loud.resolve_implicit_global_asset_job_def()

    def backfill(self, name: str) -> float:
        """Train the rolls that are not materialized yet; returns the seconds it took."""
        keys = list(rolls_of(name).keys)
        there = set.intersection(
            *(self._instance.get_materialized_partitions(dg.AssetKey([name, p])) for p in PARTS)
        )
        ranges = list(missing_ranges(keys, there))
        todo = sum(len(r) for r in ranges)
        said = f"{len(keys) - todo} of {len(keys)} rolls are there already and reused"
        console.print(f"[bold]{name}[/bold]: {todo} rolls to materialize, {said}")
        started = time.perf_counter()
        for part in ranges:
            # an interrupted demo has recorders that no partition knows of yet: take them
            self.run(
                [f"{name}/{p}" for p in PARTS],
                tags={_RANGE_START: part[0], _RANGE_END: part[-1]},
                ops={f"{name}_rolls": {"config": {"reuse_finished": True}}},
                total=len(part),
            )
        return time.perf_counter() - started

    def run(
        self,
        assets: Sequence[str],
        *,
        tags: dict[str, str] | None = None,
        ops: dict[str, object] | None = None,
        total: int = 0,
    ) -> None:
        """One Dagster run of these assets."""
        with watching(console, total):
            result = self._job.execute_in_process(
                run_config={"loggers": {"console": {}}, "ops": ops or {}},
                asset_selection=[dg.AssetKey(a.split("/")) for a in assets],
                tags=tags,
                instance=self._instance,
                raise_on_error=False,
            )
        if not result.success:
            errors = [
                event.event_specific_data.error  # type: ignore[union-attr]
                for event in result.filter_events(lambda e: e.is_step_failure)
            ]
            raise RunFailedError(
                "\n".join(str(e.message).strip() for e in errors if e) or "the run failed"
            )


def rolls_of(name: str) -> Rolls:
    """The rolls of a sample strategy."""
    strategy = STRATEGIES[name]
    return rolling_partitions(strategy.template, strategy.generator, name=name).rolls


def missing_ranges(keys: Sequence[str], there: set[str]) -> Iterator[list[str]]:
    """Neighbouring keys that are not there, a list a gap."""
    for present, group in groupby(keys, lambda key: key in there):
        if not present:
            yield list(group)


def figures_table(name: str, made: StrategyCollection, seconds: float) -> Table:
    """The figures of one strategy."""
    summary = made.summary
    table = Table(title=name, show_header=False, title_justify="left", min_width=44)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("rolls trained", f"{made.rolls}")
    if made.gaps:
        table.add_row("rolls missing", ", ".join(made.gaps))
    table.add_row("prediction rows", f"{len(made.pred):,}")
    table.add_row("first prediction", str(summary["first"]))
    table.add_row("last prediction", str(summary["last"]))
    for figure in ("IC", "ICIR", "Rank IC", "Rank ICIR"):
        table.add_row(figure, f"{summary[figure]:+.4f}")
    table.add_row("top minus bottom, a year", f"{summary['Long-Short Ann Return']:+.2%}")
    table.add_row("top minus bottom, Sharpe", f"{summary['Long-Short Ann Sharpe']:+.2f}")
    table.add_row("sum of fit times", f"{made.fit_seconds:.1f} s")
    table.add_row("wall time of the backfill", f"{seconds:.1f} s")
    return table


if __name__ == "__main__":
    sys.exit(main())
