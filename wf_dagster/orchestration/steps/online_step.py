"""The daily life of a strategy inside a Dagster run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from wf_dagster.calendars import to_day
from wf_dagster.market import Market
from wf_dagster.online import OnlineManager, RollingStrategy, RoutineReport
from wf_dagster.online.sessions import daily_calendar, session_calendar
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.resources.tracking_resource import TrackingResource
from wf_dagster.orchestration.steps.owners import claim_for_strategy
from wf_dagster.orchestration.steps.roll_config import LAST
from wf_dagster.orchestration.steps.roll_events import RollEvents
from wf_dagster.orchestration.steps.roll_runner import RollRunner
from wf_dagster.orchestration.steps.roll_trainer import RollTrainer
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec
from wf_dagster.rolling import Roll, why_not_due
from wf_dagster.tasks import fingerprint
from wf_dagster.tracking import Recorder
from wf_dagster.training import JobKind, RollJob, RollOutcome
from wf_dagster.training.worker import run_job


@dataclass(frozen=True)
class OnlineStep:
    """Brings the online models of a strategy up to a session.

    It is the routine of :class:`wf_dagster.OnlineManager`, with the rolls trained as this run's.

    Attributes:
        spec: The strategy.
        context: The context of the running assets.
        session: ISO date of a session that has closed, or ``"last"``; sessions that were missed
            before it are worked through as well.
        predict_again: Predict again all sessions of the online models: prices were restated.
    """

    spec: StrategySpec
    context: dg.AssetExecutionContext
    session: str
    predict_again: bool = False

    def run(
        self, rolls: Sequence[Roll], tracking: TrackingResource, early: Mapping[str, str]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        """Work through the session; what changes beside the run's rolls is logged as events.

        Nothing is materialized of a single roll that cannot be trained yet.

        Args:
            rolls: Those of the run that the prices reach.
            tracking: Where the run has its parent in MLflow.
            early: Why others of the run cannot be trained yet, by key.

        Raises:
            Failure: A roll of the run failed, the date is none, later sessions were worked through,
                or another run works on the strategy.
        """
        with wf_errors_as_failures():
            daily_calendar(self.spec.market)
            claim_for_strategy(self.context, self.spec)
        events = RollEvents(self.context, self.spec.keys)
        with (
            wf_errors_as_failures(),
            tracking.parent(self.context, self.spec.experiment) as parent_id,
        ):
            outcomes = self._catch_up(rolls, events, parent_id)
            for key, reason in early.items():
                self.context.log.warning(f"{self.spec.name} {key} is left out: {reason}")
            events.raise_failures(outcomes, len(rolls))
        if early and outcomes:
            events.log_finished(outcomes)  # a result marks all partitions of the run
            events.end_without(early)
        else:
            yield from events.results(outcomes)

    def _catch_up(
        self, rolls: Sequence[Roll], events: RollEvents, parent_id: str
    ) -> dict[str, RollOutcome]:
        last = self.spec.calendar.last_session
        session = f"{last if self.session == LAST else to_day(self.session):%Y-%m-%d}"
        strategy = self.spec.online_strategy()
        trainer = RollTrainer(strategy, RollRunner(self.spec, self.context, parent_id))
        manager = OnlineManager(strategy, trainer, begin_time=session, name=None)
        adopted = manager.adopt()
        report = manager.catch_up_to(session)
        report.add(adopted)
        strategy = strategy.at(session)
        if self.predict_again:
            with strategy.tool.ledger().exclusive():
                restated = strategy.predict_again(session)
            report.predicted += restated.predicted
            report.labelled += restated.labelled
        self._log_report(session, strategy, report, trainer.trained)
        return self._outcomes_of_run(rolls, events, strategy, report)

    def _log_report(
        self, session: str, strategy: RollingStrategy, report: RoutineReport, trained: int
    ) -> None:
        log = self.context.log
        state = strategy.tool.state()
        log.info(
            f"{self.spec.name} {session}: sessions worked through {len(report.sessions)}, rolls "
            f"trained {trained}, recorders with new predictions {_count(report.predicted)}, "
            f"with new labels {_count(report.labelled)}; online {', '.join(state.online)}; "
            f"next {', '.join(state.next_online) or 'none'}"
        )
        for late in report.late:
            days = late.rows.get_level_values("datetime")
            for day, rows in days.value_counts().sort_index().items():
                log.warning(
                    f"{late.strategy}: {rows} predictions of {day:%Y-%m-%d} were added, whose "
                    "closes came after it was served; those that were there stay"
                )
        for name, error in report.failures.items():
            log.error(f"{name}: {error}")

    def _outcomes_of_run(
        self,
        rolls: Sequence[Roll],
        events: RollEvents,
        strategy: RollingStrategy,
        report: RoutineReport,
    ) -> dict[str, RollOutcome]:
        """Log what changed beside the run's rolls; look up those that did not change."""
        changed = self._changed(strategy, report)
        of_run = {roll.key for roll in rolls}
        for part, recorders in (
            ("recorders", report.trained),
            ("predictions", [*report.trained, *report.predicted]),
            ("labels", [*report.trained, *report.labelled]),
        ):
            keys = {_roll_key(strategy, recorder) for recorder in recorders}
            beside = keys - of_run if part in events.selected else keys
            events.log([part], [changed[key] for key in sorted(beside) if changed[key].ok])
        outcomes = {key: changed[key] for key in of_run if key in changed}
        missing = [roll for roll in rolls if roll.key not in outcomes]
        if not missing:
            return outcomes
        calendar = session_calendar(strategy.market)
        # a model of an earlier definition serves until there is one of the present definition
        serving = {_roll_key(strategy, r): r for r in strategy.held_models()}
        trained = strategy.find_trained([roll.task for roll in missing], calendar.last_session)
        for roll, recorder in zip(missing, trained, strict=True):
            reason = why_not_due(roll, calendar)
            outcome = self._unchanged(
                strategy.market, roll, recorder or serving.get(roll.key), reason, report
            )
            if outcome.ok or len(rolls) > 1 or reason is None:
                outcomes[roll.key] = outcome
            else:
                self.context.log.info(f"{outcome.error}; the run's partition is left as it is")
        return outcomes

    def _unchanged(
        self,
        market: Market,
        roll: Roll,
        recorder: Recorder | None,
        early: str | None,
        report: RoutineReport,
    ) -> RollOutcome:
        job = self._job("report", roll.key, roll.task, recorder, market)
        if recorder is not None:
            return run_job(job)
        failures = "\n".join(str(error) for error in report.failures.values())
        never = f"roll {roll.key} was never trained: materialize its `recorders`"
        return RollOutcome.failed(job, early or failures or never)

    def _changed(self, strategy: RollingStrategy, report: RoutineReport) -> dict[str, RollOutcome]:
        """The outcome of each roll that was touched, by key."""
        outcomes: dict[str, RollOutcome] = {}
        for recorder in dict.fromkeys((*report.trained, *report.predicted, *report.labelled)):
            task, key = strategy.task_of(recorder), _roll_key(strategy, recorder)
            outcome = run_job(self._job("update", key, task, recorder, strategy.market))
            if recorder in report.trained and outcome.ok:
                outcome = replace(outcome, kind="train")
            late = sum(len(rows.rows) for rows in report.late if rows.recorder.id == recorder.id)
            outcome = replace(outcome, late_rows=late)
            # of two recorders of a roll the new one counts
            outcomes.setdefault(key, outcome)
        return outcomes

    def _job(
        self, kind: JobKind, key: str, task: Any, recorder: Recorder | None, market: Market
    ) -> RollJob:
        return RollJob(
            key=key,
            kind=kind,
            experiment_name=self.spec.experiment,
            fingerprint=fingerprint(task),
            task=dict(task),
            recorder_id=None if recorder is None else recorder.id,
            market=market,
        )


def _roll_key(strategy: RollingStrategy, recorder: Recorder) -> str:
    return strategy.roll_key(strategy.task_of(recorder))


def _count(recorders: Sequence[Recorder]) -> int:
    return len({recorder.id for recorder in recorders})
