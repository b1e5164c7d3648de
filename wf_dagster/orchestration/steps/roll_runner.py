"""The rolls of a Dagster run, worked on in worker processes and reported one by one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg

from wf_dagster.market import Market
from wf_dagster.orchestration.roll_progress import RollProgress
from wf_dagster.orchestration.run_tags import ROOT_RUN_TAG
from wf_dagster.orchestration.steps.owners import find_pool_owner
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec
from wf_dagster.tasks import fingerprint
from wf_dagster.tasks.record_split import split_records
from wf_dagster.training import RollJob, RollOutcome, run_rolls, run_rolls_in_pool

_PLANS = {
    "train": "to train",
    "refresh": "to predict again",
    "report": "finished before and reused",
}
_RESULTS = {
    "train": "trained",
    "refresh": "predicted",
    "update": "updated",
    "report": "reused",
}


class RollRunner:
    """Works on rolls of a strategy as part of a Dagster run.

    Args:
        spec: The strategy.
        context: The context of the running assets.
        parent_id: MLflow run that new recorders become children of.
    """

    def __init__(
        self, spec: StrategySpec, context: dg.AssetExecutionContext, parent_id: str
    ) -> None:
        self._spec = spec
        self._context = context
        self._parent_id = parent_id

    @property
    def root_run_id(self) -> str:
        """The first run of the chain of retries that this run belongs to."""
        run = self._context.run
        return run.root_run_id or run.run_id

    def training_job(
        self, key: str, task: Mapping[str, Any], market: Market | None = None
    ) -> RollJob:
        """The training of a roll; its market is by default the strategy's."""
        return RollJob(
            key=key,
            recorder_name=key,
            kind="train",
            experiment_name=self._spec.experiment,
            fingerprint=fingerprint(task),
            task=dict(task),
            parent_run_id=self._parent_id,
            tags={"strategy": self._spec.name, "roll": key, ROOT_RUN_TAG: self.root_run_id},
            market=market or self._spec.market,
        )

    def run(self, jobs: Sequence[RollJob], outcomes: dict[str, RollOutcome]) -> None:
        """Do the jobs.

        Args:
            jobs: One a roll.
            outcomes: Gets the outcome of each, by key, as soon as it is there: a run that is
                cancelled keeps what it has finished.
        """
        log, name = self._context.log, self._spec.name
        counts = {kind: sum(job.kind == kind for job in jobs) for kind in _PLANS}
        plan = ", ".join(f"{_PLANS[kind]} {count}" for kind, count in counts.items() if count)
        pool = owner = None
        if self._spec.task_pool is not None and counts["train"]:
            pool = self._spec.task_pool.open(name)
            # one that is named is shared on purpose
            owner = (
                None if self._spec.task_pool.name else find_pool_owner(self._context, self._spec)
            )
        offer = f", offered to the pool {pool.task_pool} at {pool.address}" if pool else ""
        log.info(f"{name}: {len(jobs)} rolls ({plan}){offer}")
        run = run_rolls if pool is None else partial(run_rolls_in_pool, pool=pool, owner=owner)
        is_analysed = bool(split_records(self._spec.template).analysis)
        started = time.perf_counter()
        for done, outcome in enumerate(run(jobs, max_workers=self._spec.max_workers), 1):
            outcomes[outcome.key] = outcome
            progress = RollProgress(name, outcome.key, done, len(jobs))
            line = f"{progress} {_summary(outcome, is_analysed)}"
            if outcome.ok:
                left = (time.perf_counter() - started) / done * (len(jobs) - done)
                log.info(f"{line}, {left:.0f} s to go", extra=progress.log_extra)
            else:
                log.error(f"{line}\n{outcome.details}", extra=progress.log_extra)


def _summary(outcome: RollOutcome, is_analysed: bool) -> str:
    if not outcome.ok:
        return f"FAILED: {outcome.error}"
    result = _RESULTS[outcome.kind]
    if not outcome.rows:
        return f"{result} in {outcome.seconds:.2f} s, before its first test session"
    line = f"{result} in {outcome.seconds:.2f} s, {outcome.rows} predictions"
    if not is_analysed:
        return line
    ic = outcome.metrics.get("IC")
    return f"{line}, labels not known yet" if ic is None else f"{line}, IC {ic:+.4f}"
