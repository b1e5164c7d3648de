"""The daily life of online models: train what is due, switch, predict, send signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import Self

from wf_dagster.collect import MergeCollector
from wf_dagster.errors import CollectError, OnlineError, TrainingError
from wf_dagster.online import signal_store
from wf_dagster.online.manager_pickle import unpickle_state, write_state
from wf_dagster.online.online_strategy import OnlineStrategy
from wf_dagster.online.routine_report import RoutineReport
from wf_dagster.online.sessions import last_of_each, session_at
from wf_dagster.online.signal_publisher import SignalPublisher
from wf_dagster.online.strategy_group import StrategyGroup, as_list, last_session_of
from wf_dagster.online.strategy_session import StrategySession, work_on
from wf_dagster.progress import progress_bar
from wf_dagster.training import Trainer, TrainerR

Kwargs = Mapping[str, Any] | None


class OnlineManager:
    """Keeps the online models of one strategy or several current, session by session.

    At each session, after its close: tasks that are due are trained, models switched, predictions
    and labels brought up to date, signals made. Nothing at a session sees a later price, also when
    a past session is worked through. Sessions that were missed are made up for in order. What was
    done is kept in the experiments, so that any step may die and be repeated, and a manager can be
    made again from nothing (:meth:`from_store`).

    Of strategies on different exchanges those work at a session whose own calendar has it.

    The workers of a trainer that delays fit together, after each session or after a simulation.

    Args:
        strategies: A strategy or several, with different names.
        trainer: Trains their tasks; default :class:`TrainerR`.
        begin_time: The session to begin with; default the last one with prices.
        freq: ``"day"``.
        name: Experiment that keeps the signals; ``None`` when they are made elsewhere. Where
            ``"signals"`` keeps those of others, the default is ``"signals of "`` and the name of
            the first strategy.

    Attributes:
        cur_time: The last session that was worked through; before the first, ``begin_time``.
        history: ``{session: {strategy: [online recorders]}}``.
        status: ``"online"``, or ``"simulating"``.

    Raises:
        OnlineError: There is no strategy, two have one name, or ``freq`` is not known.

    Example:
        >>> manager = OnlineManager(strategy, begin_time="2022-06-01")  # doctest: +SKIP
        >>> signals = manager.simulate("2022-12-01")  # doctest: +SKIP
    """

    STATUS_SIMULATING = "simulating"
    STATUS_ONLINE = "online"

    def __init__(
        self,
        strategies: OnlineStrategy | Sequence[OnlineStrategy],
        trainer: Trainer | None = None,
        begin_time: Any = None,
        freq: str = "day",
        *,
        name: str | None = signal_store.SIGNALS,
    ) -> None:
        if freq != "day":
            raise OnlineError(f"freq {freq!r} is not known: sessions are days, use 'day'")
        self.strategies = as_list(strategies)
        self.history: dict[pd.Timestamp, dict[OnlineStrategy, list[Any]]] = {}
        self._group = StrategyGroup(self.strategies, self.history)
        self.trainer = trainer or TrainerR()
        self.freq = freq
        self.begin_time = self.cur_time = session_at(begin_time, self._group.calendar())
        self.status = self.STATUS_ONLINE
        self._publisher = SignalPublisher(self.strategies, name)

    @property
    def name(self) -> str | None:
        """The experiment that keeps the signals; ``None`` when they are made elsewhere."""
        return self._publisher.name

    @property
    def signals(self) -> Any:
        """All signals that were sent; ``None`` before any."""
        return self._publisher.signals

    def first_train(
        self, strategies: Sequence[OnlineStrategy] | None = None, model_kwargs: Kwargs = None
    ) -> None:
        """Train the first tasks of strategies as of the current session, and put them online.

        Args:
            strategies: Default all.
            model_kwargs: Further arguments of the strategies' ``prepare_online_models``.

        Raises:
            OnlineError: A strategy has been online at a later session.
            TrainingError: Some tasks failed; the others are online.
        """
        chosen = self.strategies if strategies is None else list(strategies)
        self._recall_signals()
        self._begin(chosen, lambda session: session.as_seen.first_tasks(), model_kwargs)

    def adopt(self) -> RoutineReport:
        """Begin with what a backfill has trained, instead of :meth:`first_train`.

        The latest finished rolls, as their strategies define them now, go online; where the latest
        roll was never trained, it is trained. A strategy with online models stays as it is.

        Returns:
            What was done.

        Raises:
            OnlineError: A strategy does not know what a backfill has trained: it is no
                :class:`RollingStrategy`.
            TrainingError: A latest roll cannot be trained.
        """
        # one whose first training failed has worked through a session, and nothing serves
        new = [strategy for strategy in self.strategies if not strategy.tool.online_models()]
        return self._begin(new, lambda session: session.as_seen.adopt_tasks(session.session))

    def _begin(
        self,
        strategies: Sequence[OnlineStrategy],
        find_tasks: Callable[[StrategySession], Sequence[Any]],
        model_kwargs: Kwargs = None,
    ) -> RoutineReport:
        """Serve as of the current session."""
        report = RoutineReport()
        with self._group.exclusive(strategies):
            for strategy in strategies:
                self._group.check_past(strategy, self.cur_time)
            sessions = [self._session_of(strategy) for strategy in strategies]
            for session in sessions:
                session.tasks = find_tasks(session)
            self._serve(sessions, report, model_kwargs)
        report.raise_failures()
        return report

    def add_strategy(self, strategies: OnlineStrategy | Sequence[OnlineStrategy]) -> None:
        """Add strategies and train their first tasks.

        Raises:
            OnlineError: A name is there already.
            TrainingError: Some tasks failed; the others are online.
        """
        new = as_list(strategies)
        self._group.check_new(new)
        try:
            self.first_train(new)
        except TrainingError:  # those that could be trained are online
            self.strategies.extend(new)
            raise
        self.strategies.extend(new)

    def routine(
        self,
        cur_time: Any = None,
        task_kwargs: Kwargs = None,
        model_kwargs: Kwargs = None,
        signal_kwargs: Kwargs = None,
    ) -> RoutineReport:
        """Work through a session, and before it those that were missed since the last one.

        Doing it twice changes nothing, but for closes that came late: rows that the latest sessions
        lack are added. Tasks that fail leave the models that served before online.

        Args:
            cur_time: A session that has closed; default the last one with prices.
            task_kwargs: Further arguments of the strategies' ``prepare_tasks``.
            model_kwargs: Further arguments of their ``prepare_online_models``.
            signal_kwargs: Further arguments of :meth:`prepare_signals`.

        Returns:
            What was done.

        Raises:
            OnlineError: Later sessions were worked through already, or another process works on
                one of the strategies.
            TrainingError: Tasks failed; everything else was done.
        """
        report = self.catch_up_to(cur_time, task_kwargs, model_kwargs, signal_kwargs)
        report.raise_failures()
        return report

    def catch_up_to(
        self,
        cur_time: Any = None,
        task_kwargs: Kwargs = None,
        model_kwargs: Kwargs = None,
        signal_kwargs: Kwargs = None,
    ) -> RoutineReport:
        """As :meth:`routine`, but tasks that failed are only noted in what it returns."""
        now = session_at(cur_time, self._group.calendar())
        with self._group.exclusive(self.strategies):
            self._recall_signals()
            own_sessions = self._group.sessions()
            goes_on = self.status == self.STATUS_ONLINE  # the prices of a simulation stand still
            report = self._group.open_report(now, own_sessions, complete=goes_on)
            for day in report.sessions:
                at_work = self._group.at_work(day, own_sessions)
                sessions = [self._session_of(strategy, day) for strategy in at_work]
                for session in sessions:
                    session.tasks = session.as_seen.prepare_tasks(day, **(task_kwargs or {}))
                self._serve(sessions, report, model_kwargs)
                self.cur_time = day
            if not self._postpones() and self._publisher.publish(
                self.cur_time, report.sessions[0], **(signal_kwargs or {})
            ):
                self._keep_signals()
            if goes_on:
                self._group.note_prices(self.cur_time)
        return report

    def _serve(
        self, sessions: Sequence[StrategySession], report: RoutineReport, model_kwargs: Kwargs
    ) -> None:
        """Train the tasks, switch, and bring predictions and labels up to the session."""
        for session, online in work_on(sessions, report, model_kwargs or {}):
            self.history.setdefault(session.session, {})[session.strategy] = online

    def _session_of(
        self, strategy: OnlineStrategy, day: pd.Timestamp | None = None
    ) -> StrategySession:
        """A strategy at a session; default the current one, or its own last one before that."""
        day = last_session_of(strategy, self.cur_time) if day is None else day
        return StrategySession(strategy, day, self.trainer, fits_later=self._postpones())

    def simulate(
        self,
        end_time: Any = None,
        frequency: str = "day",
        task_kwargs: Kwargs = None,
        model_kwargs: Kwargs = None,
        signal_kwargs: Kwargs = None,
    ) -> Any:
        """Train the first tasks and work through all sessions from the current one.

        Args:
            end_time: The last session; default the last one with prices.
            frequency: ``"day"``, or the last session of each ``"week"`` or ``"month"``.
            task_kwargs: As for :meth:`routine`.
            model_kwargs: As for :meth:`routine`.
            signal_kwargs: As for :meth:`routine`.

        Returns:
            The signals.

        Raises:
            OnlineError: ``frequency`` is unknown, or as for :meth:`routine`.
        """
        calendar = self._group.calendar()
        end = session_at(end_time, calendar)
        sessions = last_of_each(frequency, calendar.between(self.cur_time, end))
        self._recall_signals()
        self.status = self.STATUS_SIMULATING
        try:
            with self._group.exclusive(self.strategies):
                self.first_train(model_kwargs=model_kwargs)
                with progress_bar("simulate", len(sessions)) as update:
                    for done, session in enumerate(sessions, 1):
                        self.routine(session, task_kwargs, model_kwargs, signal_kwargs)
                        update(done, None)
                if self._postpones():
                    self.delay_prepare(signal_kwargs=signal_kwargs)
        finally:
            self.status = self.STATUS_ONLINE
        self._keep_signals()
        self._group.note_prices(self.cur_time)
        return self.signals

    def delay_prepare(self, model_kwargs: Kwargs = None, signal_kwargs: Kwargs = None) -> None:
        """Do what a simulation with a delaying trainer has put off.

        Each model is trained once, all of them together, on the prices as they were when it was
        due; each predicts the sessions at which it was online; then all signals are made.

        Args:
            model_kwargs: Further arguments of the trainer's ``end_train``.
            signal_kwargs: Further arguments of :meth:`prepare_signals`.

        Raises:
            TrainingError: Models could not be trained; everything else was done.
        """
        report = RoutineReport()
        with self._group.exclusive(self.strategies):
            for strategy in self.strategies:
                served = [model for by in self.history.values() for model in by.get(strategy, [])]
                self._session_of(strategy).train_late(served, report, model_kwargs or {})
            try:
                self.prepare_signals((signal_kwargs or {}).get("prepare_func"), over_write=True)
            except CollectError:
                report.raise_failures()  # which say why there is nothing
                raise
        report.raise_failures()

    def _postpones(self) -> bool:
        return self.status == self.STATUS_SIMULATING and self.trainer.is_delay()

    def get_collector(self, **kwargs: Any) -> MergeCollector:
        """Collects the predictions of all strategies.

        Args:
            **kwargs: Arguments of the strategies' ``get_collector``.
        """
        collectors = {s.name_id: s.get_collector(**kwargs) for s in self.strategies}
        return MergeCollector(collectors)

    def prepare_signals(
        self, prepare_func: Callable[[Any], Any] | None = None, over_write: bool = False
    ) -> Any:
        """Make the signals up to the current session.

        Args:
            prepare_func: Makes them of what :meth:`get_collector` collects; default
                :class:`AverageEnsemble`. One with a true attribute ``by_day`` is given only the
                days that are new.
            over_write: Make all of them anew. Otherwise those of earlier sessions stay as they
                were sent, and only the last one is made again.

        Returns:
            The new signals.

        Raises:
            CollectError: No model has predictions.
        """
        new = self._publisher.make_last(self.cur_time, prepare_func, over_write)
        self._keep_signals()
        return new

    def get_signals(self) -> Any:
        """The signals: rows ``(datetime, instrument)``, sorted, each once; ``None`` before any."""
        return self.signals

    def _recall_signals(self) -> None:
        """Go on from the signals that were sent, whichever manager has sent them."""
        sent = self._publisher.find_sent() if self.status == self.STATUS_ONLINE else None
        if sent is not None and self._group.has_begun():
            self._publisher.signals = sent

    def _keep_signals(self) -> None:
        if self.status == self.STATUS_ONLINE and self.signals is not None:
            self._publisher.keep()

    @classmethod
    def from_store(
        cls,
        strategies: OnlineStrategy | Sequence[OnlineStrategy],
        trainer: Trainer | None = None,
        *,
        name: str = signal_store.SIGNALS,
    ) -> Self:
        """A manager as the experiments of its strategies say: history, session and signals.

        Args:
            strategies: As they were defined.
            trainer: As in the constructor.
            name: As in the constructor.

        Raises:
            OnlineError: None of the strategies has ever been online.
        """
        manager = cls(strategies, trainer, name=name)
        manager._group.recall_history()
        if not manager.history:
            names = ", ".join(strategy.name_id for strategy in manager.strategies)
            raise OnlineError(f"{names}: no online model yet; begin with first_train or adopt")
        manager.begin_time, manager.cur_time = min(manager.history), max(manager.history)
        manager._recall_signals()
        return manager

    def to_pickle(self, path: str | Path, **kwargs: Any) -> None:
        """Keep the manager in a file; models stay in their experiments, whatever Qlib's options."""
        write_state(path, self.__dict__, kwargs)

    @classmethod
    def load(cls, filepath: str | Path, allow: Sequence[str] = ()) -> Self:
        """A manager that was kept in a file.

        Args:
            filepath: The file.
            allow: Modules of strategies and trainers of your own, which loading may run.

        Raises:
            UnsafeObjectError: The file names something else that may run code.
            OnlineError: It is no such file.
        """
        manager = cls.__new__(cls)
        manager.__dict__.update(unpickle_state(filepath, allow))
        return manager
