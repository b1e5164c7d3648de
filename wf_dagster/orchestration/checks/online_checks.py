"""Asset checks of a strategy that serves."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg
from typing_extensions import Unpack

from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.checks.freshness import (
    FRESH,
    Freshness,
    freshness_questions,
    strategy_specs,
)
from wf_dagster.orchestration.checks.online_limits import ChosenLimits, OnlineLimits
from wf_dagster.orchestration.failures import PRICE_ERRORS, wf_errors_as_failures
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.orchestration.strategy.signals_reference import Signals
from wf_dagster.orchestration.strategy.strategy_keys import SIGNALS
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec

# what is asked of scores is slow to import, and asked for when a check runs
if TYPE_CHECKING:
    from wf_dagster.online.quality import Finding

_WARNINGS = ("score_drift", "rolling_ic", "same_history")
_DESCRIPTIONS = {
    "complete": "Every session and every instrument with prices has a score.",
    "unique_rows": "No day and instrument has two scores.",
    "usable_scores": "No score is NaN or infinite, and the scores of a day differ.",
    "score_drift": "The latest scores are spread as those of the train segment (PSI).",
    FRESH: "The scores reach the last session, or nearly: counted in sessions.",
    "labels_known": "The labels that can be known are known.",
    "rolling_ic": "The mean IC of the last labelled sessions is above a floor.",
    "one_generation": "Exactly one generation of models is online, and the tags say so.",
    "same_history": "Closes of sessions that were served are those of then, but for a price day.",
}
_PREDICTIONS = ("complete", "unique_rows", "usable_scores", "score_drift", FRESH)


def build_online_checks(
    rolling: RollingAssets | Sequence[RollingAssets],
    *,
    signals: Sequence[Signals] = ("signals",),
    blocking: Sequence[str] = ("complete",),
    **limits: Unpack[OnlineLimits],
) -> list[dg.AssetChecksDefinition]:
    """The checks of a strategy's assets, and of the signals that come of them.

    A backfill is checked on the rolls of its partitions; an online run, and a check that is
    executed alone, on the models that are online, or, of a strategy that has none, on the roll
    that has begun last. Checks of the
    predictions and labels are one step of a run.

    Args:
        rolling: The assets of a strategy, or of several that share their signals.
        signals: What :func:`build_signals_asset` gave, or its keys: signals whose freshness is
            checked.
        blocking: Names of the checks of ``predictions`` that stop what comes after them in a run.
        **limits: As follows.
        label_slack: Sessions that labels may be late (default 2).
        ic_floor: Lowest mean IC; below it, ``rolling_ic`` warns (default -0.05).
        ic_sessions: Labelled sessions that count for it (default 60).
        psi_limit: Highest population stability index; above it, ``score_drift`` warns (default
            0.25).
        psi_sessions: Latest sessions that count for it (default 20).
        max_missed: Sessions that predictions and signals may be behind (default 1).
        max_changed: Sessions whose closes may have changed since they were served; above it,
            ``same_history`` warns (default 1).
        grace: Time after the close of a session in which nothing is due yet (default 6 hours).
    """
    chosen = ChosenLimits(**limits)
    specs = strategy_specs(rolling)
    questions = {
        question.key: question
        for question in freshness_questions(specs, signals, chosen.max_missed, chosen.grace)
    }
    checks = []
    for spec in specs:
        checks.append(_roll_checks(spec, chosen, questions, blocking))
        checks.append(_collected_check(spec, chosen))
        checks.append(_online_check(spec, chosen))
    of_signals = [question for question in questions.values() if question.part == SIGNALS]
    return [*checks, *map(_signals_check, of_signals)]


def _roll_checks(
    spec: StrategySpec,
    limits: ChosenLimits,
    questions: Mapping[dg.AssetCheckKey, Freshness],
    blocking: Sequence[str],
) -> dg.AssetChecksDefinition:
    predictions, labels = spec.keys.assets(["predictions", "labels"])

    @dg.multi_asset_check(
        name=spec.keys.roll_checks_op,
        specs=[
            *(_check_spec(name, predictions, name in blocking) for name in _PREDICTIONS),
            _check_spec("labels_known", labels),
        ],
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        from wf_dagster.orchestration.checks.roll_checks import RollChecks

        def find(keys: Sequence[dg.AssetCheckKey]) -> "dict[dg.AssetCheckKey, Finding]":
            rolls = RollChecks.of_run(context, spec, limits)
            answers: dict[str, Callable[[], Finding]] = {
                "complete": rolls.complete,
                "unique_rows": rolls.unique_rows,
                "usable_scores": rolls.usable_scores,
                "score_drift": rolls.score_drift,
                "labels_known": rolls.labels_known,
                FRESH: lambda: _fresh(questions[spec.keys.check("predictions", FRESH)]),
            }
            return {key: answers[key.name]() for key in keys}

        findings = _find_all(sorted(context.selected_asset_check_keys), find)
        for key, finding in findings.items():
            yield _result(key, finding)

    return checks


def _collected_check(spec: StrategySpec, limits: ChosenLimits) -> dg.AssetChecksDefinition:
    def find() -> "Finding":
        from wf_dagster.online.quality import Finding, rolling_ic

        recorder = spec.inspection().collected()
        if recorder is None:
            return Finding(False, "nothing was collected yet: materialize `collected`")
        pred, label = recorder.load_object("pred.pkl"), recorder.load_object("label.pkl")
        return rolling_ic(pred, label, limits.ic_sessions, limits.ic_floor)

    check = _check_spec("rolling_ic", spec.keys.asset("collected"))
    return _single_check(spec.keys.following_checks_op("collected"), check, find)


def _online_check(spec: StrategySpec, limits: ChosenLimits) -> dg.AssetChecksDefinition:
    asset = spec.keys.asset("online_models")
    found: dict[str, Callable[[], Finding]] = {
        "one_generation": lambda: _one_generation(spec),
        "same_history": lambda: _same_history(spec, limits.max_changed),
    }

    @dg.multi_asset_check(
        name=spec.keys.following_checks_op("online_models"),
        specs=[_check_spec(name, asset) for name in found],
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        findings = _find_all(
            sorted(context.selected_asset_check_keys),
            lambda keys: {key: found[key.name]() for key in keys},
        )
        for key, finding in findings.items():
            yield _result(key, finding)

    return checks


def _one_generation(spec: StrategySpec) -> "Finding":
    from wf_dagster.online.quality import one_generation

    inspection = spec.inspection()
    serving, tags = inspection.generation()
    starts = [start for roll in inspection.rolls if (start := roll.test[0]) is not None]
    return one_generation(inspection.state, serving, tags, starts)


def _same_history(spec: StrategySpec, max_changed: int) -> "Finding":
    from wf_dagster.online.late_rows import find_changes
    from wf_dagster.online.quality import Finding, same_history

    changes = find_changes(spec.online_strategy())
    if changes is None:
        return Finding(True, "not judged: it is not known what prices were served with")
    return same_history(*changes, max_changed)


def _signals_check(question: Freshness) -> dg.AssetChecksDefinition:
    asset = question.key.asset_key
    op = f"{asset.to_python_identifier()}_checks"
    return _single_check(op, _check_spec(FRESH, asset), lambda: _fresh(question))


def _single_check(
    op: str, spec: dg.AssetCheckSpec, find: "Callable[[], Finding]"
) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(name=op, specs=[spec])
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        findings = _find_all([spec.key], lambda keys: dict.fromkeys(keys, find()))
        for key in context.selected_asset_check_keys:
            yield _result(key, findings[spec.key])

    return check


def _find_all(
    keys: Sequence[dg.AssetCheckKey],
    find: "Callable[[Sequence[dg.AssetCheckKey]], dict[dg.AssetCheckKey, Finding]]",
) -> "dict[dg.AssetCheckKey, Finding]":
    """What checks find; they have failed where the prices cannot be used as they are now."""
    from wf_dagster.online.quality import Finding

    with wf_errors_as_failures():
        try:
            return find(keys)
        except PRICE_ERRORS as error:
            return dict.fromkeys(keys, Finding(False, str(error)))


def _fresh(question: Freshness) -> "Finding":
    from wf_dagster.online.quality import Finding

    return question.find() or Finding(True, "not judged: no scores of the current roll yet")


def _check_spec(name: str, asset: dg.AssetKey, blocking: bool = False) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=asset, description=_DESCRIPTIONS[name], blocking=blocking)


def _result(key: dg.AssetCheckKey, finding: "Finding") -> dg.AssetCheckResult:
    warns = key.name in _WARNINGS
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=finding.passed,
        description=finding.sentence,
        metadata=number_metadata(finding.numbers),
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
    )
