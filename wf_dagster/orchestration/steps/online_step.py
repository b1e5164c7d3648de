"""The daily life of a strategy inside a Dagster run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from wf_dagster.calendars import default_calendar, to_day
from wf_dagster.errors import TrainingError
from wf_dagster.online import OnlineManager, RoutineReport
from wf_dagster.rolling import Roll, why_not_due
from wf_dagster.settings import replayed
from wf_dagster.tasks import fingerprint
from wf_dagster.tracking import R, Recorder
from wf_dagster.training import RollJob, RollOutcome, Trainer
from wf_dagster.training.worker import do

if TYPE_CHECKING:
    from wf_dagster.orchestration.steps.backfill_step import RollStep


LAST = "last"  # the last session with prices, whichever that is


class OnlineStep:
    """Brings the online models of a strategy up to a session.

    It is the routine of :class:`wf_dagster.OnlineManager`, with the rolls trained as this run's.

    Args:
        step: The strategy's partitioned assets.
        context: The context of the running asset.
        parent_id: MLflow run that new recorders become children of.
    """

    def __init__(self, step: RollStep, context: dg.AssetExecutionContext, parent_id: str) -> None:
        self.step = step
        self.context = context
        self.strategy = step.strategy()
        self.trained: dict[str, RollOutcome] = {}
        self.trainer = _RollTrainer(self, parent_id)

    def run(
        self, date: str, again: bool, rolls: Sequence[Roll], selected: Sequence[str]
    ) -> dict[str, RollOutcome]:
        """Work through a session, and those that were missed before it.

        Args:
            date: ISO date of a session that has closed, or ``"last"``.
            again: Predict again all sessions of the online models: prices were restated.
            rolls: The rolls of the run; what changes beside them is logged as events.
            selected: The assets of the run.

        Returns:
            The outcome of each of these rolls; nothing of a single one that cannot be trained yet.

        Raises:
            CalendarError: It is no date.
            OnlineError: Later sessions were worked through, or another run works on the strategy.
        """
        log = self.context.log
        last = default_calendar().last_session
        session = f"{last if date == LAST else to_day(date):%Y-%m-%d}"
        manager = OnlineManager(self.strategy, self.trainer, begin_time=session, name=None)
        with replayed(session) if pd.Timestamp(session) < last else nullcontext():
            begun = manager.adopt()
            done = manager.catch_up_to(session)
            done.add(begun)
            if again:
                with self.strategy.tool.ledger().exclusive():
                    restated = self.strategy.predict_again(session)
                done.predicted += restated.predicted
                done.labelled += restated.labelled
            state = self.strategy.tool.state()
            log.info(
                f"{self.step.name} {session}: sessions worked through {len(done.sessions)}, rolls "
                f"trained {len(self.trained)}, recorders with new predictions "
                f"{len(_ids(done.predicted))}, with new labels {len(_ids(done.labelled))}; online "
                f"{', '.join(state.online)}; next {', '.join(state.next_online) or 'none'}"
            )
            for name, error in done.failures.items():
                log.error(f"{name}: {error}")
            return self._of_this_run(rolls, done, selected)

    def _of_this_run(
        self, rolls: Sequence[Roll], done: RoutineReport, selected: Sequence[str]
    ) -> dict[str, RollOutcome]:
        """Log what changed beside the run's rolls; look up those that did not change."""
        mine = {roll.key for roll in rolls}
        outcomes = self._outcomes(done)
        for part, changed in (
            ("recorders", done.trained),
            ("predictions", [*done.trained, *done.predicted]),
            ("labels", [*done.trained, *done.labelled]),
        ):
            keys = {self._key(recorder) for recorder in changed}
            beside = keys - mine if part in selected else keys
            made = [outcomes[key] for key in sorted(beside) if outcomes[key].ok]
            self.step.log_events(self.context, [part], made)
        found = {key: outcomes[key] for key in mine if key in outcomes}
        missing = [roll for roll in rolls if roll.key not in found]
        if missing:
            # a model of an earlier definition serves until there is one of the present definition
            serving = {self._key(r): r for r in self.strategy.held_models()}
            known = self.strategy.find_trained(
                [r.task for r in missing], default_calendar().last_session
            )
            for roll, recorder in zip(missing, known, strict=True):
                same = self._unchanged(roll, recorder or serving.get(roll.key), done)
                if same.ok or len(rolls) > 1 or why_not_due(roll, default_calendar()) is None:
                    found[roll.key] = same
                else:
                    self.context.log.info(f"{same.error}; the run's partition is left as it is")
        return found

    def _unchanged(self, roll: Roll, recorder: Recorder | None, done: RoutineReport) -> RollOutcome:
        work = self._work("report", roll.key, roll.task, recorder)
        if recorder is not None:
            return do(work)
        failures = [str(error) for error in done.failures.values()]
        why = why_not_due(roll, default_calendar()) or "\n".join(failures)
        never = f"roll {roll.key} was never trained: materialize its `recorders`"
        return RollOutcome.failed(work, why or never)

    def _outcomes(self, done: RoutineReport) -> dict[str, RollOutcome]:
        """The outcome of each roll that was touched, by key."""
        outcomes: dict[str, RollOutcome] = {}
        for recorder in dict.fromkeys((*done.trained, *done.predicted, *done.labelled)):
            task, key = self.strategy.task_of(recorder), self._key(recorder)
            outcome = do(self._work("update", key, task, recorder))
            if recorder in done.trained and outcome.ok:
                outcome = replace(outcome, kind="train")
            # of two recorders of a roll the new one counts
            outcomes.setdefault(key, outcome)
        return outcomes

    def _key(self, recorder: Recorder) -> str:
        return self.step.key_of(self.strategy.task_of(recorder))

    def _work(self, kind: Any, key: str, task: Any, recorder: Recorder | None = None) -> RollJob:
        return RollJob(
            key=key,
            kind=kind,
            experiment_name=self.step.experiment,
            fingerprint=fingerprint(task),
            task=task,
            recorder_id=None if recorder is None else recorder.id,
        )


class _RollTrainer(Trainer):
    """Trains tasks as rolls of a Dagster run."""

    def __init__(self, online: OnlineStep, parent_id: str) -> None:
        super().__init__()
        self._online = online
        self._parent_id = parent_id

    def train(self, tasks: Any, *args: Any, **kwargs: Any) -> list[Recorder]:
        """A recorder a task, in their order.

        Raises:
            TrainingError: Some failed; its ``trained`` holds the others.
        """
        step, context = self._online.step, self._online.context
        works = [step.training(context, step.key_of(task), task, self._parent_id) for task in tasks]
        outcomes: dict[str, RollOutcome] = {}
        step.work(context, works, outcomes)
        self._online.trained |= {key: o for key, o in outcomes.items() if o.ok}
        made = [outcomes[work.key] for work in works]
        trained = [R.get_recorder(recorder_id=o.recorder_id) if o.ok else None for o in made]
        if failed := [f"- {o.key}: {o.error}" for o in made if not o.ok]:
            raise TrainingError("\n".join(failed), trained)
        return [recorder for recorder in trained if recorder is not None]


def _ids(recorders: Sequence[Recorder]) -> set[str]:
    return {recorder.id for recorder in recorders}
