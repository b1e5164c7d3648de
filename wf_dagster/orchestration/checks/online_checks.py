"""Asset checks of a strategy that serves."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import pandas as pd
from typing_extensions import Self

from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.online import quality
from wf_dagster.online.drift import score_drift
from wf_dagster.online.inspection import Inspected, Inspection
from wf_dagster.online.quality import Finding
from wf_dagster.online.signal_store import days_of
from wf_dagster.orchestration.automation.conditions import launched_by_automation
from wf_dagster.orchestration.checks.freshness import (
    FRESH,
    GRACE,
    Freshness,
    Rolling,
    Step,
    freshness_of,
    inspection_of,
    steps_of,
)
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.orchestration.steps.backfill_step import SESSION_TAG

_PARTITION = "dagster/partition"
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_WARNINGS = ("score_drift", "rolling_ic")
_DESCRIPTIONS = {
    "complete": "Every session and every instrument with prices has a score.",
    "unique_rows": "No day and instrument has two scores.",
    "usable_scores": "No score is NaN or infinite, and the scores of a day differ.",
    "score_drift": "The latest scores are spread as those of the train segment (PSI).",
    FRESH: "The scores reach the last session, or nearly: counted in sessions.",
    "labels_known": "The labels that can be known are known.",
    "rolling_ic": "The mean IC of the last labelled sessions is above a floor.",
    "one_generation": "Exactly one generation of models is online, and the tags say so.",
}
_PREDICTIONS = ("complete", "unique_rows", "usable_scores", "score_drift", FRESH)


@dataclass(frozen=True)
class _Limits:
    label_slack: int
    ic_floor: float
    ic_sessions: int
    psi_limit: float
    psi_sessions: int


def build_online_checks(
    rolling: Rolling | Sequence[Rolling],
    *,
    signals: Sequence[str] = ("signals",),
    label_slack: int = 2,
    ic_floor: float = -0.05,
    ic_sessions: int = 60,
    psi_limit: float = 0.25,
    psi_sessions: int = 20,
    max_missed: int = 1,
    grace: pd.Timedelta = GRACE,
    blocking: Sequence[str] = ("complete",),
) -> list[dg.AssetChecksDefinition]:
    """The checks of a strategy's assets, and of the signals that come of them.

    A backfill is checked on the rolls of its partitions; an online run, and a check that is
    executed alone, on the models that are online, or, of a strategy that has none, on the roll
    that has begun last. Checks of the
    predictions and labels are one step of a run.

    Args:
        rolling: The assets of a strategy, or of several that share their signals.
        signals: Asset keys of signals whose freshness is checked.
        label_slack: Sessions that labels may be late.
        ic_floor: Lowest mean IC; below it, ``rolling_ic`` warns.
        ic_sessions: Labelled sessions that count for it.
        psi_limit: Highest population stability index; above it, ``score_drift`` warns.
        psi_sessions: Latest sessions that count for it.
        max_missed: Sessions that predictions and signals may be behind.
        grace: Time after the close of a session in which nothing is due yet.
        blocking: Names of the checks of ``predictions`` that stop what comes after them in a run.
    """
    limits = _Limits(label_slack, ic_floor, ic_sessions, psi_limit, psi_sessions)
    steps = steps_of(rolling)
    questions = {q.key: q for q in freshness_of(steps, signals, max_missed, grace)}
    made = []
    for step in steps:
        made.append(_roll_checks(step, limits, questions, blocking))
        made.append(_collected_check(step, limits))
        made.append(_online_check(step))
    known = [key for key in questions if key.asset_key.path[-1] != "predictions"]
    return [*made, *(_signals_check(questions[key]) for key in known)]


def _roll_checks(
    step: Step,
    limits: _Limits,
    questions: Mapping[dg.AssetCheckKey, Freshness],
    blocking: Sequence[str],
) -> dg.AssetChecksDefinition:
    def key(part: str) -> dg.AssetKey:
        return dg.AssetKey([step.name, part])

    @dg.multi_asset_check(
        name=f"{step.name}_rolls_checks",
        specs=[
            *(_spec(name, key("predictions"), name in blocking) for name in _PREDICTIONS),
            _spec("labels_known", key("labels")),
        ],
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        selected = context.selected_asset_check_keys
        with wf_errors_as_failures():
            inspection = inspection_of(step)
            rolls = _Rolls.of_run(context, step, inspection)
            answers: dict[str, Callable[[], Finding]] = {
                "complete": rolls.complete,
                "unique_rows": rolls.unique_rows,
                "usable_scores": rolls.usable_scores,
                "score_drift": lambda: rolls.score_drift(limits),
                "labels_known": lambda: rolls.labels_known(limits),
                FRESH: lambda: _fresh(questions[dg.AssetCheckKey(key("predictions"), FRESH)]),
            }
            found = {one: answers[one.name]() for one in sorted(selected)}
        for one, finding in found.items():
            yield _result(one, finding)

    return checks


def _collected_check(step: Step, limits: _Limits) -> dg.AssetChecksDefinition:
    key = dg.AssetKey([step.name, "collected"])

    def find() -> Finding:
        recorder = inspection_of(step).collected()
        if recorder is None:
            return Finding(False, "nothing was collected yet: materialize `collected`")
        pred, label = recorder.load_object("pred.pkl"), recorder.load_object("label.pkl")
        return quality.rolling_ic(pred, label, limits.ic_sessions, limits.ic_floor)

    return _single(_spec("rolling_ic", key), find)


def _online_check(step: Step) -> dg.AssetChecksDefinition:
    key = dg.AssetKey([step.name, "online_models"])

    def find() -> Finding:
        inspection = inspection_of(step)
        serving, tags = inspection.generation()
        starts = [start for roll in inspection.rolls if (start := roll.test[0]) is not None]
        return quality.one_generation(inspection.state, serving, tags, starts)

    return _single(_spec("one_generation", key), find)


def _signals_check(question: Freshness) -> dg.AssetChecksDefinition:
    return _single(_spec(FRESH, question.key.asset_key), lambda: _fresh(question))


def _single(spec: dg.AssetCheckSpec, find: Callable[[], Finding]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name=f"{spec.asset_key.to_python_identifier()}_checks", specs=[spec])
    def check() -> Iterator[dg.AssetCheckResult]:
        with wf_errors_as_failures():
            finding = find()
        yield _result(spec.key, finding)

    return check


@dataclass(frozen=True)
class _Rolls:
    """The rolls that a run is about."""

    chosen: Sequence[Inspected]
    unlabelled: Sequence[Inspected]
    calendar: pd.DatetimeIndex

    @classmethod
    def of_run(
        cls, context: dg.AssetCheckExecutionContext, step: Step, inspection: Inspection
    ) -> Self:
        keys = _keys(context.run.tags, step)
        chosen = inspection.serving() if keys is None else inspection.of_rolls(keys)
        daily = keys is None or any(one.is_online for one in chosen)
        unlabelled = inspection.unlabelled() if daily else []
        return cls(chosen, unlabelled, inspection.calendar.sessions)

    def complete(self) -> Finding:
        return self._each(lambda one: quality.complete(one.pred, one.sessions, one.expected_rows()))

    def unique_rows(self) -> Finding:
        return self._each(lambda one: quality.unique_rows(one.pred))

    def usable_scores(self) -> Finding:
        return self._each(lambda one: quality.usable_scores(one.pred))

    def score_drift(self, limits: _Limits) -> Finding:
        """Of what serves, else of the last roll: scores of earlier ones are history."""
        scored = [one for one in self.chosen if len(one.pred)]
        chosen = [one for one in scored if one.is_online] or scored[-1:]
        if not chosen:
            return Finding(True, "not judged: there are no scores yet")
        return self._each(lambda one: _drift(one, limits), chosen)

    def labels_known(self, limits: _Limits) -> Finding:
        chosen = {one.recorder.id: one for one in (*self.chosen, *self.unlabelled)}
        return self._each(lambda one: self._labels(one, limits), list(chosen.values()))

    def _labels(self, one: Inspected, limits: _Limits) -> Finding:
        if one.label is None:
            return Finding(True, "not judged: the task keeps no labels")
        predicted = one.sessions[one.sessions.isin(days_of(one.pred))]
        return quality.labels_known(
            one.label, predicted, one.now, self.calendar, one.reach, limits.label_slack
        )

    def _each(
        self, find: Callable[[Inspected], Finding], chosen: Sequence[Inspected] | None = None
    ) -> Finding:
        found = {
            f"roll {one.key} ({one.recorder.id[:8]})": find(one)
            for one in (self.chosen if chosen is None else chosen)
        }
        return quality.combine_findings(
            found,
            "no roll has a finished recorder as it is defined now: materialize `recorders` first",
        )


def _drift(one: Inspected, limits: _Limits) -> Finding:
    try:
        reference = one.reference()
    except ObjectNotFoundError as error:
        return Finding(True, f"not judged: {error}")
    except Exception as error:  # a user's model or dataset may raise anything
        return Finding(False, f"the train segment cannot be predicted: {error}")
    return score_drift(one.pred, reference, limits.psi_sessions, limits.psi_limit)


def _fresh(question: Freshness) -> Finding:
    return question.find() or Finding(True, "not judged: no scores of the current roll yet")


def _keys(tags: Mapping[str, str], step: Step) -> list[str] | None:
    """The partitions of a run; ``None`` of a run without any, or one that works for what serves."""
    if SESSION_TAG in tags or launched_by_automation(tags):
        return None
    if _PARTITION in tags:
        return [tags[_PARTITION]]
    if all(tag in tags for tag in _RANGE):
        first, last = (tags[tag] for tag in _RANGE)
        return [roll.key for roll in step.partitions.rolls.between(first, last)]
    return None


def _spec(name: str, asset: dg.AssetKey, blocking: bool = False) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=asset, description=_DESCRIPTIONS[name], blocking=blocking)


def _result(key: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckResult:
    warns = key.name in _WARNINGS
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=finding.passed,
        description=finding.sentence,
        metadata=number_metadata(finding.numbers),
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
    )
