"""Freshness of predictions and signals in sessions of the exchange.

Dagster's ``FreshnessPolicy`` asks how long ago, by the clock, an asset was *materialized*: with a
time window (``time_window``) or after the ticks of a cron (``cron``). Neither knows a holiday. A
window that keeps quiet over a long weekend is four days wide, and keeps quiet as well when three
sessions in the middle of a week were missed; a cron of weekdays is an alarm on Thanksgiving. And an
asset that was materialized a minute ago on the prices of last week passes both. Here it is asked
up to which *session* the scores reach, against the last one whose close, plus a grace, is over.

``build_sensor_for_freshness_checks`` runs a check again when it may have become overdue: a whole
run for a question that a sensor can answer itself. The sensor here does, and reports the answer as
an evaluation of the check, so that an alarm also comes when nothing runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from wf_dagster.orchestration.assets.rolling_list import RollingAssets, check_is_assets
from wf_dagster.orchestration.checks.online_limits import GRACE
from wf_dagster.orchestration.failures import PRICE_ERRORS, skip_for, wf_errors_as_failures
from wf_dagster.orchestration.metadata import number_metadata
from wf_dagster.orchestration.strategy.moved_keys import moved_keys
from wf_dagster.orchestration.strategy.signals_reference import Signals, refer_to_signals
from wf_dagster.orchestration.strategy.strategy_keys import SIGNALS
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec

# what scores are compared with is slow to import, and asked for when a check runs
if TYPE_CHECKING:
    import pandas as pd

    from wf_dagster.online.expected_sessions import ExpectedSessions
    from wf_dagster.online.quality import Finding

FRESH = "fresh"


@dataclass(frozen=True)
class Freshness:
    """A question of freshness.

    Attributes:
        key: The check that it answers, on the key that its asset was defined with.
        part: What may be stale: ``"predictions"`` or ``"signals"``.
        newest: The last day there is; ``None`` when there is nothing yet.
        due: What should be there at a moment; ``None`` is now.
        max_missed: Sessions that may be missing.
    """

    key: dg.AssetCheckKey
    part: str
    newest: Callable[[], pd.Timestamp | None]
    due: Callable[[pd.Timestamp | None], ExpectedSessions]
    max_missed: int

    def key_in(self, moved: Mapping[dg.AssetKey, dg.AssetKey]) -> dg.AssetCheckKey:
        """The check, on the key that its asset has now."""
        asset = self.key.asset_key
        return dg.AssetCheckKey(moved.get(asset, asset), self.key.name)

    def find(self, now: pd.Timestamp | None = None) -> Finding | None:
        """The answer; ``None`` when there is nothing that could be stale."""
        from wf_dagster.online.expected_sessions import fresh

        newest = self.newest()
        if newest is None:
            return None
        what = self.key.asset_key.path[-1] if self.part == SIGNALS else self.part
        return fresh(newest, self.due(now), self.max_missed, what)


def freshness_questions(
    specs: Sequence[StrategySpec], signals: Sequence[Signals], max_missed: int, grace: timedelta
) -> Iterator[Freshness]:
    """The questions of freshness of strategies and their signals.

    Args:
        specs: The strategies; each counts the sessions of its own market.
        signals: Signals; their sessions are those of the first strategy.
        max_missed: Sessions that may be missing.
        grace: Time after the close of a session in which nothing is due yet.
    """
    for spec in specs:
        yield Freshness(
            spec.keys.check("predictions", FRESH),
            "predictions",
            partial(_newest_prediction, spec),
            partial(_due, spec, grace),
            max_missed,
        )
    for reference in refer_to_signals(signals) if specs else ():
        yield Freshness(
            dg.AssetCheckKey(reference.key, FRESH),
            SIGNALS,
            partial(_newest_signal, reference.experiment),
            partial(_due, specs[0], grace),
            max_missed,
        )


def strategy_specs(rolling: RollingAssets | Sequence[RollingAssets]) -> list[StrategySpec]:
    """One strategy or several; the assets of one are a list themselves."""
    several: list[Any] = [rolling]
    if isinstance(rolling, list | tuple) and not isinstance(rolling, RollingAssets):
        several = list(rolling)
    for strategy in several:
        check_is_assets(strategy, "checks or a sensor of freshness")
    return [strategy.spec for strategy in several]


def build_freshness_sensor(
    rolling: RollingAssets | Sequence[RollingAssets],
    *,
    signals: Sequence[Signals] = ("signals",),
    max_missed: int = 1,
    grace: timedelta = GRACE,
    name: str = "freshness",
    minimum_interval_seconds: int = 900,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """A sensor that answers the checks ``fresh`` when nothing runs.

    It starts no run: it reports an evaluation of a check whenever the answer, or the session that
    is due, is another one than at its last tick.

    Args:
        rolling: The assets of a strategy, or of several.
        signals: As for :func:`build_online_checks`, like ``max_missed`` and ``grace``.
        max_missed: Sessions that may be missing.
        grace: Time after the close of a session in which nothing is due yet.
        name: Name of the sensor.
        minimum_interval_seconds: Time between its ticks.
        default_status: Whether it runs when the code location is loaded.
    """
    questions = list(freshness_questions(strategy_specs(rolling), signals, max_missed, grace))

    @dg.sensor(
        name=name,
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        description="Predictions and signals reach the last session, or nearly: in sessions.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        before = json.loads(context.cursor) if context.cursor else {}
        repository = context.repository_def  # a test may have none
        moved = moved_keys(repository.asset_graph) if repository else {}
        with wf_errors_as_failures():
            try:
                answers = [(question.key_in(moved), question.find()) for question in questions]
            except PRICE_ERRORS as error:
                return skip_for(error, context)
        findings = {key: finding for key, finding in answers if finding is not None}
        cursor = {
            key.to_user_string(): [finding.passed, finding.numbers["due"]]
            for key, finding in findings.items()
        }
        changed = {
            key: finding
            for key, finding in findings.items()
            if before.get(key.to_user_string()) != cursor[key.to_user_string()]
        }
        for key, finding in changed.items():
            if not finding.passed:
                context.log.warning(f"{key.asset_key.to_user_string()}: {finding.sentence}")
        if not changed:
            return dg.SkipReason(
                "; ".join(finding.sentence for finding in findings.values())
                or "there are no predictions and no signals yet"
            )
        return dg.SensorResult(
            cursor=json.dumps(cursor),
            asset_events=[evaluation(key, finding) for key, finding in changed.items()],
        )

    return sensor


def evaluation(key: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckEvaluation:
    """A finding as an event outside of a run."""
    return dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=finding.passed,
        description=finding.sentence,
        metadata=number_metadata(finding.numbers),
        severity=dg.AssetCheckSeverity.ERROR,
    )


def _newest_prediction(spec: StrategySpec) -> pd.Timestamp | None:
    return spec.inspection().newest()


def _newest_signal(experiment: str) -> pd.Timestamp | None:
    from wf_dagster.online.signal_store import newest_signal

    return newest_signal(experiment)


def _due(spec: StrategySpec, grace: timedelta, now: pd.Timestamp | None) -> ExpectedSessions:
    from wf_dagster.online.expected_sessions import due_now

    return due_now(spec.market, grace, now)
