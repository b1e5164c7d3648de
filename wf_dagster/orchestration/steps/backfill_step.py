"""What happens when partitions of a strategy are materialized."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from wf_dagster.errors import OnlineError
from wf_dagster.online import RollingStrategy
from wf_dagster.orchestration.automation.conditions import launched_by_automation
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.metadata import roll_metadata
from wf_dagster.orchestration.partitions.rolling_partitions import RollingPartitions
from wf_dagster.orchestration.resources.task_pool_resource import TaskPoolResource
from wf_dagster.orchestration.steps.online_step import LAST, OnlineStep
from wf_dagster.rolling import Roll, RollingGen, why_not_due
from wf_dagster.tasks import fingerprint, validate_task
from wf_dagster.tracking import find_recorders
from wf_dagster.training import (
    JobKind,
    RollJob,
    RollOutcome,
    prepare_workers,
    run_rolls,
    run_rolls_in_pool,
    workers_for,
)

if TYPE_CHECKING:
    from wf_dagster.orchestration.resources.tracking_resource import TrackingResource

SESSION_TAG = "wf_session"  # the session that an online run works through
ROOT_RUN_TAG = "dagster_root_run_id"
_PARTS = ("recorders", "predictions", "labels")


class RollConfig(dg.Config):
    """Launch-time choices of a strategy's rolls."""

    reuse_finished: bool = Field(
        default=False,
        description=(
            "Take a finished recorder of the same task definition where there is one, instead "
            "of training anew."
        ),
    )
    online_session: str = Field(
        default="",
        description=(
            "Work through this session (an ISO date, or 'last' for the last one with prices), and "
            "those missed before it, as the online schedule does: train what is due, switch "
            "models, update predictions and labels."
        ),
    )
    predict_again: bool = Field(
        default=False,
        description=(
            "With online_session: predict all sessions of the online models again, because their "
            "prices were restated."
        ),
    )

    def check(self) -> None:
        """Refuse choices that would have no effect.

        Raises:
            OnlineError: ``predict_again`` has no session.
        """
        if self.predict_again and not self.online_session:
            raise OnlineError(
                "predict_again is a choice of online runs: give online_session as well, a date "
                "or 'last'; without it, `predictions` alone are predicted again anyway"
            )


@dataclass(frozen=True)
class RollStep:
    """The body of a strategy's partitioned assets."""

    name: str
    experiment: str
    template: Mapping[str, Any]
    generator: RollingGen
    partitions: RollingPartitions
    max_workers: int | None
    task_pool: TaskPoolResource | None = None
    declarative: bool = False

    def run(
        self,
        context: dg.AssetExecutionContext,
        config: RollConfig,
        tracking: TrackingResource,
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Work through the selected partitions; one materialization a partition and asset."""
        selected = [p for p in _PARTS if self._key(p) in context.selected_asset_keys]
        with wf_errors_as_failures():
            rolls = [self.partitions.roll(key) for key in context.partition_keys]
            validate_task(rolls[0].task, resolve=True)
            config.check()
        session = config.online_session
        if not session and self.declarative and launched_by_automation(context.run.tags):
            session = LAST
        workers = workers_for(len(rolls), self.max_workers)
        if workers > 1 and not session:
            prepare_workers(rolls[0].task, workers)

        with wf_errors_as_failures(), tracking.parent(context, self.experiment) as parent_id:
            outcomes: dict[str, RollOutcome] = {}
            try:
                if session:
                    online = OnlineStep(self, context, parent_id)
                    outcomes |= online.run(session, config.predict_again, rolls, selected)
                else:
                    works = self._plan(context, config, selected, rolls, parent_id)
                    self.work(context, works, outcomes)
            except BaseException:  # a cancelled run keeps what it has finished
                self._mark(context, selected, outcomes)
                raise
            failed = [outcome for outcome in outcomes.values() if not outcome.ok]
            if failed:
                self._mark(context, selected, outcomes)
                raise _failure(failed, len(rolls))
            if not session:
                self._mark_trained(context, selected, outcomes)

        for part in selected:
            for key, outcome in outcomes.items():
                context.add_asset_metadata(
                    roll_metadata(outcome), asset_key=self._key(part), partition_key=key
                )
        for part in selected if outcomes else ():
            yield dg.MaterializeResult(asset_key=self._key(part))

    def _key(self, part: str) -> dg.AssetKey:
        return dg.AssetKey([self.name, part])

    def _plan(
        self,
        context: dg.AssetExecutionContext,
        config: RollConfig,
        selected: Sequence[str],
        rolls: Sequence[Roll],
        parent_id: str,
    ) -> list[RollJob]:
        """Which rolls are trained, which are predicted again, which are done already."""
        root = context.run.root_run_id or context.run.run_id
        is_retry = context.run.parent_run_id is not None or context.retry_number > 0
        kind: JobKind = "report" if "recorders" in selected else "refresh"
        known: dict[str | None, str] = {}
        if kind == "refresh" or config.reuse_finished or is_retry:
            # a retry takes over what its own lineage finished; it is no excuse for older ones
            lineage = {} if kind == "refresh" or config.reuse_finished else {ROOT_RUN_TAG: root}
            for recorder in find_recorders(self.experiment, tags=lineage):  # newest first
                known.setdefault(recorder.list_tags().get("fingerprint"), recorder.id)
        works = []
        for roll in rolls:
            work = self.training(context, roll.key, roll.task, parent_id)
            recorder_id = known.get(work.fingerprint)
            if recorder_id is not None:
                work = replace(work, kind=kind, recorder_id=recorder_id)
            works.append(work)
        return works

    def training(
        self, context: dg.AssetExecutionContext, key: str, task: Mapping[str, Any], parent_id: str
    ) -> RollJob:
        """The training of a roll as part of a run."""
        root = context.run.root_run_id or context.run.run_id
        return RollJob(
            key=key,
            recorder_name=key,
            kind="train",
            experiment_name=self.experiment,
            fingerprint=fingerprint(task),
            task=dict(task),
            parent_run_id=parent_id,
            tags={"strategy": self.name, "roll": key, ROOT_RUN_TAG: root},
        )

    def key_of(self, task: Mapping[str, Any]) -> str:
        """The key of a task, which may belong to a roll younger than the code location."""
        return self.strategy().roll_key(task)

    def strategy(self) -> RollingStrategy:
        """The online strategy of the same task."""
        return RollingStrategy(self.experiment, self.template, self.generator)

    def work(
        self,
        context: dg.AssetExecutionContext,
        works: Sequence[RollJob],
        outcomes: dict[str, RollOutcome],
    ) -> None:
        """Do the works; each outcome is in ``outcomes`` as soon as it is there."""
        works, early = self._due(works)
        for refused in early:
            outcomes[refused.key] = refused
            context.log.error(f"{self.name} {refused.key} {_summary(refused)}")
        counts = {kind: sum(w.kind == kind for w in works) for kind in _SAID}
        said = ", ".join(f"{_SAID[kind]} {n}" for kind, n in counts.items() if n)
        pool = self.task_pool.open(self.name) if self.task_pool and counts["train"] else None
        shared = f", offered to the pool {pool.task_pool} at {pool.address}" if pool else ""
        context.log.info(f"{self.name}: {len(works)} rolls ({said}){shared}")
        outcomes_of = partial(run_rolls_in_pool, pool=pool) if pool is not None else run_rolls
        started = time.perf_counter()
        for done, outcome in enumerate(outcomes_of(works, max_workers=self.max_workers), 1):
            outcomes[outcome.key] = outcome
            left = (time.perf_counter() - started) / done * (len(works) - done)
            line = f"{self.name} {outcome.key} [{done}/{len(works)}] {_summary(outcome)}"
            if outcome.ok:
                context.log.info(f"{line}, {left:.0f} s to go")
            else:
                context.log.error(f"{line}\n{outcome.details}")

    def _due(self, works: Sequence[RollJob]) -> tuple[list[RollJob], list[RollOutcome]]:
        """The works that can be done, and the failures of rolls that cannot be trained yet."""
        calendar = self.partitions.calendar()
        can, early = [], []
        for work in works:
            why = None
            if work.kind == "train":
                why = why_not_due(self.partitions.roll(work.key), calendar)
            if why is None:
                can.append(work)
            else:
                early.append(RollOutcome.failed(work, why))
        return can, early

    def _mark(
        self,
        context: dg.AssetExecutionContext,
        selected: Sequence[str],
        outcomes: Mapping[str, RollOutcome],
    ) -> None:
        """Mark the finished rolls of a step that will not end well."""
        self._mark_trained(context, selected, outcomes)
        self.log_events(context, selected, [o for o in outcomes.values() if o.ok])

    def _mark_trained(
        self,
        context: dg.AssetExecutionContext,
        selected: Sequence[str],
        outcomes: Mapping[str, RollOutcome],
    ) -> None:
        """Rolls that had no recorder were trained, selected or not: the graph should know."""
        if "recorders" not in selected:
            trained = [o for o in outcomes.values() if o.ok and o.kind == "train"]
            self.log_events(context, ["recorders"], trained)

    def log_events(
        self,
        context: dg.AssetExecutionContext,
        parts: Sequence[str],
        outcomes: Sequence[RollOutcome],
    ) -> None:
        """Mark rolls of some assets as materialized, selected or not."""
        for part in parts:
            for outcome in outcomes:
                context.log_event(
                    dg.AssetMaterialization(
                        self._key(part), partition=outcome.key, metadata=roll_metadata(outcome)
                    )
                )


_SAID = {"train": "to train", "refresh": "to predict again", "report": "finished before and reused"}


_DONE = {"train": "trained", "refresh": "predicted", "update": "updated", "report": "reused"}


def _summary(outcome: RollOutcome) -> str:
    if not outcome.ok:
        return f"FAILED: {outcome.error}"
    verb = _DONE[outcome.kind]
    if not outcome.rows:
        return f"{verb} in {outcome.seconds:.2f} s, before its first test session"
    ic = outcome.metrics.get("IC")
    known = "labels not known yet" if ic is None else f"IC {ic:+.4f}"
    return f"{verb} in {outcome.seconds:.2f} s, {outcome.rows} predictions, {known}"


def _failure(failed: Sequence[RollOutcome], total: int) -> dg.Failure:
    lines = "\n".join(f"- {outcome.key}: {outcome.error}" for outcome in failed)
    return dg.Failure(
        description=(
            f"{len(failed)} of {total} rolls failed; the others are finished and marked.\n"
            f"{lines}\nRe-execute this run to train only what is missing."
        ),
        metadata={
            "failed_rolls": dg.MetadataValue.json([outcome.key for outcome in failed]),
            "errors": dg.MetadataValue.md(lines),
        },
    )
