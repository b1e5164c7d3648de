"""A strategy at work on a session: its tasks are trained, its models switched and updated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from wf_dagster.errors import TrainingError
from wf_dagster.market import Market
from wf_dagster.online.online_strategy import OnlineStrategy
from wf_dagster.online.routine_report import RoutineReport
from wf_dagster.training import Trainer
from wf_dagster.training.task_market import place_market

_DAY = "%Y-%m-%d"
_OF_MARKET = ("market", "tool")  # attributes that are others at a session of the past


class StrategySession:
    """What is done for a strategy at a session; it sees no later price.

    Args:
        strategy: The strategy.
        session: A session of its calendar that has closed.
        trainer: Trains its tasks.
        fits_later: Whether the trainer fits when a simulation has ended, and not now.

    Attributes:
        as_seen: The strategy at the close of the session.
        tasks: What is to be trained.
    """

    def __init__(
        self,
        strategy: OnlineStrategy,
        session: pd.Timestamp,
        trainer: Trainer,
        *,
        fits_later: bool = False,
    ) -> None:
        self.strategy = strategy
        self.session = session
        self.as_seen = strategy.at(session)
        self.tasks: Sequence[Any] = ()
        self._trainer = trainer
        self._fits_later = fits_later
        self._models: list[Any] = []

    def train(self, report: RoutineReport) -> None:
        """Train the tasks; those that a routine which died has trained are taken over."""
        models = list(self.as_seen.find_trained(self.tasks, self.session))
        todo = [
            self._on_market(task)
            for task, model in zip(self.tasks, models, strict=True)
            if model is None
        ]
        if todo:
            new = self._attempt(self._trainer.train, todo, report)
            if not self._fits_later:
                new = self._end_train(new, report)
            rest = iter(new)
            trained = [next(rest, None) if model is None else model for model in models]
            report.trained += [
                model
                for model, before in zip(trained, models, strict=True)
                if before is None and model
            ]
            models = [model for model in trained if model is not None]
        self._models = models

    def switch(self, model_kwargs: Mapping[str, Any]) -> list[Any]:
        """Let the trained models serve; the models that are online."""
        return self.as_seen.prepare_online_models(
            self._models, cur_time=self.session, **model_kwargs
        )

    def update(self, report: RoutineReport) -> None:
        """Bring predictions and labels up to the session, and note that it was worked through."""
        if not self._fits_later:
            changes = self.as_seen.update(self.session)
            report.predicted += changes.predicted
            report.labelled += changes.labelled
        if (ledger := self.as_seen.ledger()) is not None:
            state = ledger.read()
            failure = report.failures.get(self.strategy.name_id)
            failures = [] if failure is None else [str(failure)]
            worked = state.at_session(f"{self.session:{_DAY}}", failures)
            if worked is not state:
                ledger.write(worked)

    def train_late(
        self, served: Sequence[Any], report: RoutineReport, model_kwargs: Mapping[str, Any]
    ) -> None:
        """Fit what a delaying trainer has put off, and predict what was put off with it.

        Args:
            served: The models that the manager has seen serve.
            report: Notes what failed.
            model_kwargs: Further arguments of the trainer's ``end_train``.
        """
        models = self.as_seen.all_models(served)
        self._attempt(self._trainer.end_train, models, report, **model_kwargs)
        self.as_seen.catch_up(self.session)
        self.close()

    def close(self) -> None:
        """Keep what the strategy has noted in attributes of its own."""
        if self.as_seen is not self.strategy:
            notes = {n: v for n, v in vars(self.as_seen).items() if n not in _OF_MARKET}
            vars(self.strategy).update(notes)

    def _on_market(self, task: Any) -> Any:
        """The task as a trainer gets it: it carries a market that is not simply the default."""
        if self.as_seen.market == Market() or not isinstance(task, Mapping):
            return task
        return place_market(task, self.as_seen.market)

    def _end_train(self, models: Sequence[Any], report: RoutineReport) -> list[Any]:
        begun = [model for model in models if model is not None]
        ended = iter(self._attempt(self._trainer.end_train, begun, report))
        return [None if model is None else next(ended, None) for model in models]

    def _attempt(
        self,
        step: Callable[..., list[Any]],
        tasks_or_models: Sequence[Any],
        report: RoutineReport,
        **kwargs: Any,
    ) -> list[Any]:
        """Models of a step of the trainer; ``None`` for one that failed, which is noted."""
        try:
            return step(tasks_or_models, experiment_name=self.strategy.name_id, **kwargs)
        except TrainingError as error:
            report.failures[self.strategy.name_id] = error
            return list(error.trained)


def work_on(
    sessions: Sequence[StrategySession], report: RoutineReport, model_kwargs: Mapping[str, Any]
) -> Iterator[tuple[StrategySession, list[Any]]]:
    """Train the tasks of strategies, switch their models, bring their predictions up to date.

    Args:
        sessions: A session of each.
        report: Notes what was done and what failed.
        model_kwargs: Further arguments of ``prepare_online_models``.

    Yields:
        The session and the models that are online, as soon as they are.
    """
    try:
        for session in sessions:
            session.train(report)
        for session in sessions:
            yield session, session.switch(model_kwargs)
            session.update(report)
    finally:
        for session in sessions:
            session.close()
