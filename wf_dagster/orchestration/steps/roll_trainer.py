"""The trainer of online runs."""

from __future__ import annotations

from typing import Any

from wf_dagster.errors import TrainingError
from wf_dagster.online import RollingStrategy
from wf_dagster.orchestration.steps.roll_runner import RollRunner
from wf_dagster.tracking import R, Recorder
from wf_dagster.training import RollOutcome, Trainer
from wf_dagster.training.task_market import take_market


class RollTrainer(Trainer):
    """Trains tasks of an online manager as rolls of a Dagster run.

    Args:
        strategy: Says to which roll a task belongs, which may be younger than the code location.
        runner: Does the work.

    Attributes:
        trained: Number of rolls that were trained.
    """

    def __init__(self, strategy: RollingStrategy, runner: RollRunner) -> None:
        super().__init__()
        self._strategy = strategy
        self._runner = runner
        self.trained = 0

    def train(self, tasks: Any, *args: Any, **kwargs: Any) -> list[Recorder]:
        """A recorder a task, in their order.

        Args:
            tasks: Each may carry the market as of the session at which it was due.
            *args: Not used.
            **kwargs: Not used.

        Raises:
            TrainingError: Some failed; its ``trained`` holds the others.
        """
        jobs = [
            self._runner.training_job(self._strategy.roll_key(task), *take_market(task))
            for task in tasks
        ]
        by_key: dict[str, RollOutcome] = {}
        self._runner.run(jobs, by_key)
        outcomes = [by_key[job.key] for job in jobs]
        recorders = [R.get_recorder(recorder_id=o.recorder_id) if o.ok else None for o in outcomes]
        self.trained += sum(outcome.ok for outcome in outcomes)
        if failed := [f"- {o.key}: {o.error}" for o in outcomes if not o.ok]:
            raise TrainingError("\n".join(failed), recorders)
        return [recorder for recorder in recorders if recorder is not None]
