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
from assets.progress import progress_logger, show_progress
from assets.strategies import STRATEGIES
from wf_dagster.cli.replay_lines import open_console, print_replay
from wf_dagster.errors import WfError
from wf_dagster.market import Market
from wf_dagster.online.replay_clock import ReplayClock
from wf_dagster.orchestration.dagster_home import prepare_dagster_home
from wf_dagster.orchestration.location.replayed_sessions import Replay
from wf_dagster.orchestration.run_tags import RANGE_END_TAG, RANGE_START_TAG
from wf_dagster.orchestration.strategy.strategy_keys import ROLL_PARTS, StrategyKeys
from wf_dagster.rolling import Rolls
from wf_dagster.settings import get_settings
from wf_dagster.tasks import fingerprint
from wf_dagster.tracking import find_recorders

BEGIN = "2022-11-25"
SESSIONS = 5  # with the first of December among them, when a new model serves


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
        today = clock.date()
        if today is None or today < eve:
            clock.move(eve)
        with dg.DagsterInstance.get() as instance:
            runner = Runner(instance, terminal)
            terminal.print(f"Prices are known up to {clock.date():%Y-%m-%d}.")
            backfills = {name: runner.backfill(name) for name in STRATEGIES}
            runner.collect()
            for name, backfill in backfills.items():
                figures = runner.figures(StrategyKeys(name).asset("collected"))
                terminal.print(figures_table(name, backfill, figures))
            terminal.print("Then new prices come in, a session at a time:")
            print_replay(terminal, Replay(defs, instance, clock).run(sessions))
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
        rolls, keys = rolls_of(name), StrategyKeys(name)
        finished = {
            (tags.get("roll"), tags.get("fingerprint"))
            for tags in (recorder.list_tags() for recorder in find_recorders(name))
        }
        trained = {roll.key for roll in rolls if (roll.key, fingerprint(roll.task)) in finished}
        marked = set.intersection(
            *(self._instance.get_materialized_partitions(key) for key in keys.assets(ROLL_PARTS))
        )
        complete = trained & marked
        count = len(rolls) - len(complete)
        self._console.print(
            f"[bold]{name}[/bold]: {count} rolls to materialize, {len(complete)} of {len(rolls)} "
            "rolls are there already and reused",
            soft_wrap=True,
        )
        self._changed |= bool(count)
        started = time.perf_counter()
        for gap in missing_ranges(rolls.keys, complete):
            # an interrupted demo has recorders that no partition knows of yet: take them
            self.run(
                keys.assets(ROLL_PARTS),
                tags={RANGE_START_TAG: gap[0], RANGE_END_TAG: gap[-1]},
                ops={keys.rolls_op: {"config": {"reuse_finished": True}}},
                total=len(gap),
            )
        seconds = time.perf_counter() - started
        return Backfill(len(rolls) - len(trained), len(trained), seconds)

    def collect(self) -> None:
        """Gather and average what is there, unless that is done and nothing was added."""
        assets = [StrategyKeys(name).asset("collected") for name in STRATEGIES]
        assets.append(dg.AssetKey("signals"))
        if self._changed or not all(map(self.figures, assets)):
            self.run(assets)

    def figures(self, asset: dg.AssetKey) -> dict[str, Any]:
        """The metadata of an asset's latest materialization, as plain values."""
        event = self._instance.get_latest_materialization_event(asset)
        materialization = event.asset_materialization if event else None
        metadata = materialization.metadata if materialization else {}
        return {name: value.value for name, value in metadata.items()}

    def run(
        self,
        assets: Sequence[dg.AssetKey],
        *,
        tags: dict[str, str] | None = None,
        ops: dict[str, object] | None = None,
        total: int = 0,
    ) -> None:
        """One Dagster run of these assets."""
        with show_progress(self._console, total):
            result = self._job.execute_in_process(
                run_config={"loggers": {"console": {}}, "ops": ops or {}},
                asset_selection=list(assets),
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


def missing_ranges(keys: Sequence[str], complete: set[str]) -> Iterator[list[str]]:
    """Neighbouring keys that are not complete, a list a gap."""
    for is_complete, group in groupby(keys, lambda key: key in complete):
        if not is_complete:
            yield list(group)


def figures_table(name: str, backfill: Backfill, figures: Mapping[str, Any]) -> Table:
    """The figures of one strategy, as its ``collected`` asset shows them."""
    table = Table(title=name, show_header=False, title_justify="left", min_width=48)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("rolls", f"{figures['rolls']}")
    table.add_row("trained now / reused", f"{backfill.trained} / {backfill.reused}")
    if figures["gaps"]:
        table.add_row("rolls missing", ", ".join(figures["gaps"]))
    table.add_row("prediction rows", f"{figures['rows']:,}")
    table.add_row("first prediction", figures["first"])
    table.add_row("last prediction", figures["last"])
    for statistic in ("IC", "ICIR", "Rank IC", "Rank ICIR"):
        table.add_row(statistic, _signed(figures, statistic, "+.4f"))
    table.add_row("top minus bottom, a year", _signed(figures, "Top-Bottom Ann Return", "+.2%"))
    table.add_row("top minus bottom, Sharpe", _signed(figures, "Long-Short Ann Sharpe", "+.2f"))
    table.add_row("sum of fit times", f"{figures['fit_seconds']:.1f} s")
    table.add_row("wall time of the backfill", f"{backfill.seconds:.1f} s")
    return table


def _signed(figures: Mapping[str, Any], name: str, how: str) -> str:
    return format(figures[name], how) if name in figures else "not known yet"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
