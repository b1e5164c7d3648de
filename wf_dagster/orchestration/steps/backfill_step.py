"""The rolls of a run's partitions, trained or predicted again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from wf_dagster.collect.roll_recorders import wanted_rolls
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.resources.tracking_resource import TrackingResource
from wf_dagster.orchestration.run_tags import ROOT_RUN_TAG
from wf_dagster.orchestration.steps.owners import claim_for_strategy
from wf_dagster.orchestration.steps.roll_events import RollEvents
from wf_dagster.orchestration.steps.roll_runner import RollRunner
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec
from wf_dagster.rolling import Roll, why_not_due
from wf_dagster.tracking import Recorder
from wf_dagster.training import (
    JobKind,
    RollJob,
    RollOutcome,
    find_trained_rolls,
    prepare_workers,
    workers_for,
)


@dataclass(frozen=True)
class BackfillStep:
    """Trains rolls, or predicts them again with the models trained before.

    Attributes:
        spec: The strategy.
        context: The context of the running assets.
        reuse_finished: Take finished recorders of the same training where there are some.
    """

    spec: StrategySpec
    context: dg.AssetExecutionContext
    reuse_finished: bool = False

    def run(
        self, rolls: Sequence[Roll], tracking: TrackingResource, early: Mapping[str, str]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Work on the rolls of the run; one materialization a partition and asset.

        Rolls that cannot be trained yet are left out with a warning: nothing is materialized of
        them, and the run does not fail for it, unless it has no other roll.

        Args:
            rolls: Those of the run that the prices reach.
            tracking: Where the run has its parent in MLflow.
            early: Why others of the run cannot be trained yet, by key.

        Raises:
            Failure: Rolls failed, or nothing could be done; those that are finished are marked.
        """
        with wf_errors_as_failures():
            claim_for_strategy(self.context, self.spec)
        events = RollEvents(self.context, self.spec.keys)
        workers = workers_for(len(rolls), self.spec.max_workers)
        if workers > 1 and rolls:
            prepare_workers(rolls[0].task, workers)
        outcomes: dict[str, RollOutcome] = {}
        with (
            wf_errors_as_failures(),
            tracking.parent(self.context, self.spec.experiment) as parent_id,
        ):
            runner = RollRunner(self.spec, self.context, parent_id)
            try:
                jobs = self._plan(runner, rolls, events.selected)
                early = {**early, **self._find_early(jobs)}
                ready = [job for job in jobs if job.key not in early]
                self._report_early(runner, early, bool(ready), outcomes)
                runner.run(ready, outcomes)
            except BaseException:  # a cancelled run keeps what it has finished
                events.log_trained(outcomes)
                events.log_finished(outcomes)
                raise
            events.log_trained(outcomes)
            events.raise_failures(outcomes, len(outcomes))
        if early:
            events.log_finished(outcomes)  # a result marks all partitions of the run
            events.end_without(early)
        else:
            yield from events.results(outcomes)

    def _plan(
        self, runner: RollRunner, rolls: Sequence[Roll], selected: Sequence[str]
    ) -> list[RollJob]:
        """Which rolls are trained, which are predicted again, which are done already."""
        kind: JobKind = "report" if "recorders" in selected else "refresh"
        finished = self._finished_recorders(runner, kind, rolls)
        jobs = []
        for roll in rolls:
            job = runner.training_job(roll.key, roll.task)
            recorder = finished.get(roll.key)
            if recorder is not None:
                # trained alike, but for other records or another test window: these follow
                is_as_defined = recorder.list_tags().get("fingerprint") == job.fingerprint
                job = replace(
                    job, kind=kind if is_as_defined else "refresh", recorder_id=recorder.id
                )
            jobs.append(job)
        return jobs

    def _finished_recorders(
        self, runner: RollRunner, kind: JobKind, rolls: Sequence[Roll]
    ) -> Mapping[Any, Recorder]:
        """The recorders that take the place of a training, by key of the roll."""
        run = self.context.run
        is_retry = run.parent_run_id is not None or self.context.retry_number > 0
        takes_all = kind == "refresh" or self.reuse_finished
        if not (takes_all or is_retry):
            return {}
        # a retry takes over what its own lineage finished; it is no excuse for older ones
        lineage = {} if takes_all else {ROOT_RUN_TAG: runner.root_run_id}
        market = self.spec.market
        return find_trained_rolls(
            self.spec.experiment, wanted_rolls(rolls, market), tags=lineage, until=market.as_of
        )

    def _find_early(self, jobs: Sequence[RollJob]) -> dict[str, str]:
        """Why rolls that are to be trained cannot be trained yet, by key."""
        calendar = self.spec.calendar
        reasons = {
            job.key: why_not_due(self.spec.partitions.roll(job.key), calendar)
            for job in jobs
            if job.kind == "train"
        }
        return {key: reason for key, reason in reasons.items() if reason is not None}

    def _report_early(
        self,
        runner: RollRunner,
        early: Mapping[str, str],
        are_some_ready: bool,
        outcomes: dict[str, RollOutcome],
    ) -> None:
        """Say which rolls are left out; where there are no others, they have failed."""
        for key, reason in early.items():
            if are_some_ready:
                self.context.log.warning(f"{self.spec.name} {key} is left out: {reason}")
            else:
                job = runner.training_job(key, self.spec.template)
                outcomes[key] = RollOutcome.failed(job, reason)
                self.context.log.error(f"{self.spec.name} {key} FAILED: {reason}")
