"""What is found of the rolls that a run is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import pandas as pd
from typing_extensions import Self

from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.online import quality
from wf_dagster.online.drift import score_drift
from wf_dagster.online.inspection import Inspected
from wf_dagster.online.quality import Finding
from wf_dagster.online.signal_store import days_of
from wf_dagster.orchestration.checks.online_limits import ChosenLimits
from wf_dagster.orchestration.run_tags import (
    PARTITION_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    SESSION_TAG,
)
from wf_dagster.orchestration.strategy.conditions import launched_by_automation
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec


@dataclass(frozen=True)
class RollChecks:
    """Checks the recorders of the rolls that a run is about.

    Attributes:
        limits: What passes.
        chosen: Those recorders.
        unlabelled: Recorders that serve no more and miss labels.
        sessions: All sessions of the strategy's market.
    """

    limits: ChosenLimits
    chosen: Sequence[Inspected]
    unlabelled: Sequence[Inspected]
    sessions: pd.DatetimeIndex

    @classmethod
    def of_run(
        cls, context: dg.AssetCheckExecutionContext, spec: StrategySpec, limits: ChosenLimits
    ) -> Self:
        """Those of the rolls of the run's partitions, else of what serves."""
        inspection = spec.inspection()
        keys = _roll_keys(context.run.tags, spec)
        chosen = inspection.serving() if keys is None else inspection.of_rolls(keys)
        serves = keys is None or any(inspected.is_online for inspected in chosen)
        unlabelled = inspection.unlabelled() if serves else []
        return cls(limits, chosen, unlabelled, spec.calendar.sessions)

    def complete(self) -> Finding:
        """Every session and every instrument with prices has a score."""
        return _each(
            self.chosen,
            lambda i: quality.complete(i.pred, i.sessions, i.expected_rows(), i.exchange_fit()),
        )

    def unique_rows(self) -> Finding:
        """No day and instrument has two scores."""
        return _each(self.chosen, lambda inspected: quality.unique_rows(inspected.pred))

    def usable_scores(self) -> Finding:
        """No score is NaN or infinite, and the scores of a day differ."""
        return _each(self.chosen, lambda inspected: quality.usable_scores(inspected.pred))

    def score_drift(self) -> Finding:
        """Of what serves, else of the last roll: scores of earlier ones are history."""
        scored = [inspected for inspected in self.chosen if len(inspected.pred)]
        serving = [inspected for inspected in scored if inspected.is_online] or scored[-1:]
        if not serving:
            return Finding(True, "not judged: there are no scores yet")
        return _each(serving, self._drift)

    def labels_known(self) -> Finding:
        """The labels that can be known are known, also of recorders that serve no more."""
        recorders = {i.recorder.id: i for i in (*self.chosen, *self.unlabelled)}
        return _each(list(recorders.values()), self._labels)

    def _drift(self, inspected: Inspected) -> Finding:
        try:
            reference = inspected.reference()
        except ObjectNotFoundError as error:
            return Finding(True, f"not judged: {error}")
        except Exception as error:  # a user's model or dataset may raise anything
            return Finding(False, f"the train segment cannot be predicted: {error}")
        limits = self.limits
        return score_drift(inspected.pred, reference, limits.psi_sessions, limits.psi_limit)

    def _labels(self, inspected: Inspected) -> Finding:
        if inspected.label is None:
            return Finding(True, "not judged: the task keeps no labels")
        predicted = inspected.sessions[inspected.sessions.isin(days_of(inspected.pred))]
        return quality.labels_known(
            inspected.label,
            predicted,
            inspected.now,
            self.sessions,
            inspected.reach,
            self.limits.label_slack,
        )


def _each(chosen: Sequence[Inspected], find: Callable[[Inspected], Finding]) -> Finding:
    findings = {
        f"roll {inspected.key} ({inspected.recorder.id[:8]})": find(inspected)
        for inspected in chosen
    }
    return quality.combine_findings(
        findings,
        "no roll has a finished recorder as it is defined now: materialize `recorders` first",
    )


def _roll_keys(tags: Mapping[str, str], spec: StrategySpec) -> list[str] | None:
    """The partitions of a run; ``None`` of a run without any, or one that works for what serves."""
    if SESSION_TAG in tags or launched_by_automation(tags):
        return None
    if PARTITION_TAG in tags:
        return [tags[PARTITION_TAG]]
    if RANGE_START_TAG in tags and RANGE_END_TAG in tags:
        rolls = spec.partitions.rolls.between(tags[RANGE_START_TAG], tags[RANGE_END_TAG])
        return [roll.key for roll in rolls]
    return None
