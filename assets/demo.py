"""The main job on the sample prices, through Dagster: ``make demo``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import dagster as dg
from rich.console import Console
from rich.table import Table

from assets.definitions import defs
from assets.progress import progress_logger, watching
from assets.strategies import STRATEGIES
from wf_dagster.cli.replay_lines import open_console, print_replay
from wf_dagster.cli.ui import prepare_dagster_home
from wf_dagster.errors import WfError
from wf_dagster.market import Market
from wf_dagster.online.replay_clock import ReplayClock
from wf_dagster.orchestration.replayed_sessions import Replay
from wf_dagster.rolling import Rolls
from wf_dagster.settings import get_settings
from wf_dagster.tasks import fingerprint
from wf_dagster.tracking import find_recorders

BEGIN = "2022-11-25"
SESSIONS = 5  # with the first of December among them, when a new model serves
PARTS = ("recorders", "predictions", "labels")
_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"


def main(begin: str = BEGIN) -> int:
    """Backfill both strategies, print their figures, and let some sessions pass.

    Args:
        begin: The session as of which they are backfilled; those that pass come after it.
    """
    started = time.perf_counter()
    terminal = open_console()
    try:
        os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(get_settings().make_home()))
        clock = ReplayClock(get_settings().clock_file(), Market())
        eve, *sessions = clock.sessions(begin, 1 + SESSIONS)
        shown = clock.date()
        if shown is None or shown < eve:
            clock.move(eve)
        with dg.DagsterInstance.get() as instance:
            runner = Runner(instance, terminal)
            terminal.print(f"Prices are known up to {clock.date():%Y-%m-%d}.")
            backfills = {name: runner.backfill(name) for name in STRATEGIES}
            runner.collect()
            for name, backfill in backfills.items():
                terminal.print(figures_table(name, backfill, runner.shown(f"{name}/collected")))
            terminal.print("Then new prices come in, a session at a time:")
            print_replay(terminal, Replay(defs, instance).run(sessions))
    except WfError as error:
        terminal.print(f"[red]{error}[/red]", soft_wrap=True)
        return 1
    home = get_settings().home
    terminal.print(
        f"Done in {time.perf_counter() - started:.0f} s. Everything is in {home} "
        "(dagster/, mlflow.db, artifacts/).\n"
        "`make ui` opens it: Dagster on port 3000, MLflow on port 5000.\n"
        f"`.venv/bin/wf-dagster replay` goes on after {clock.date():%Y-%m-%d}; with `--stop` all "
        "prices are seen.",
        soft_wrap=True,
    )
    return 0


class RunFailedError(WfError):
    """A Dagster run of the demo failed."""


@dataclass(frozen=True)
class Backfill:
    """What a backfill did: rolls trained, rolls that were there already, wall time."""

    trained: int
    reused: int
    seconds: float


class Runner:
    """Runs assets of this code location on the Dagster instance of the home folder."""

    def __init__(self, instance: dg.DagsterInstance, console: Console) -> None:
        self._instance = instance
        self._console = console
        self._changed = False
        loud = dg.Definitions.merge(defs, dg.Definitions(loggers={"console": progress_logger}))
        self._job = loud.resolve_implicit_global_asset_job_def()

    def backfill(self, name: str) -> Backfill:
        """Materialize the rolls that are not there as they are defined now."""
        rolls = rolls_of(name)
        known = {
            (tags.get("roll"), tags.get("fingerprint"))
            for tags in (recorder.list_tags() for recorder in find_recorders(name))
        }
        trained = {roll.key for roll in rolls if (roll.key, fingerprint(roll.task)) in known}
        marked = set.intersection(
            *(self._instance.get_materialized_partitions(dg.AssetKey([name, p])) for p in PARTS)
        )
        there = trained & marked
        todo = len(rolls) - len(there)
        self._console.print(
            f"[bold]{name}[/bold]: {todo} rolls to materialize, {len(there)} of {len(rolls)} rolls "
            "are there already and reused",
            soft_wrap=True,
        )
        self._changed |= bool(todo)
        started = time.perf_counter()
        for part in missing_ranges(rolls.keys, there):
            # an interrupted demo has recorders that no partition knows of yet: take them
            self.run(
                [f"{name}/{p}" for p in PARTS],
                tags={_RANGE_START: part[0], _RANGE_END: part[-1]},
                ops={f"{name}_rolls": {"config": {"reuse_finished": True}}},
                total=len(part),
            )
        seconds = time.perf_counter() - started
        return Backfill(len(rolls) - len(trained), len(trained), seconds)

    def collect(self) -> None:
        """Gather and average what is there, unless that is done and nothing was added."""
        assets = [f"{name}/collected" for name in STRATEGIES] + ["signals"]
        if self._changed or not all(map(self.shown, assets)):
            self.run(assets)

    def shown(self, asset: str) -> dict[str, Any]:
        """The metadata of an asset's latest materialization, as plain values."""
        event = self._instance.get_latest_materialization_event(dg.AssetKey(asset.split("/")))
        made = event.asset_materialization if event else None
        return {k: v.value for k, v in made.metadata.items()} if made else {}

    def run(
        self,
        assets: Sequence[str],
        *,
        tags: dict[str, str] | None = None,
        ops: dict[str, object] | None = None,
        total: int = 0,
    ) -> None:
        """One Dagster run of these assets."""
        with watching(self._console, total):
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
                "\n".join(str(e.message).strip() for e in errors if e)
                + "\nThe run's page (`make ui`) has the details."
            )


def rolls_of(name: str) -> Rolls:
    """The rolls of a sample strategy that have begun by the last session."""
    strategy = STRATEGIES[name]
    return Rolls.from_template(strategy.template, strategy.generator, name=name)


def missing_ranges(keys: Sequence[str], there: set[str]) -> Iterator[list[str]]:
    """Neighbouring keys that are not there, a list a gap."""
    for present, group in groupby(keys, lambda key: key in there):
        if not present:
            yield list(group)


def figures_table(name: str, backfill: Backfill, shown: Mapping[str, Any]) -> Table:
    """The figures of one strategy, as its ``collected`` asset shows them."""
    table = Table(title=name, show_header=False, title_justify="left", min_width=48)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("rolls", f"{shown['rolls']}")
    table.add_row("trained now / reused", f"{backfill.trained} / {backfill.reused}")
    if shown["gaps"]:
        table.add_row("rolls missing", ", ".join(shown["gaps"]))
    table.add_row("prediction rows", f"{shown['rows']:,}")
    table.add_row("first prediction", shown["first"])
    table.add_row("last prediction", shown["last"])
    for figure in ("IC", "ICIR", "Rank IC", "Rank ICIR"):
        table.add_row(figure, _signed(shown, figure, "+.4f"))
    table.add_row("top minus bottom, a year", _signed(shown, "Top-Bottom Ann Return", "+.2%"))
    table.add_row("top minus bottom, Sharpe", _signed(shown, "Long-Short Ann Sharpe", "+.2f"))
    table.add_row("sum of fit times", f"{shown['fit_seconds']:.1f} s")
    table.add_row("wall time of the backfill", f"{backfill.seconds:.1f} s")
    return table


def _signed(shown: Mapping[str, Any], figure: str, how: str) -> str:
    return format(shown[figure], how) if figure in shown else "not known yet"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
