"""The daily life of online models: train what is due, switch, predict, send signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import Self

from wf_dagster.calendars import default_calendar
from wf_dagster.errors import CollectError, OnlineError, TrainingError
from wf_dagster.online import signal_store as sent
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.online.manager_pickle import pickled, unpickled
from wf_dagster.online.routine_report import RoutineReport
from wf_dagster.online.sessions import as_of, every, session_at
from wf_dagster.online.signal_publisher import SignalSender
from wf_dagster.online.strategy import OnlineStrategy, RollingStrategy
from wf_dagster.progress import progress_bar
from wf_dagster.training import Trainer, TrainerR

_DAY = "%Y-%m-%d"
Kwargs = Mapping[str, Any] | None


class OnlineManager(SignalSender):
    """Keeps the online models of one strategy or several current, session by session.

    At each session, after its close: tasks that are due are trained, models switched, predictions
    and labels brought up to date, signals made. Nothing at a session sees a later price, also when
    a past session is worked through. Sessions that were missed are made up for in order. What was
    done is kept in the experiments, so that any step may die and be repeated, and a manager can be
    made again from nothing (:meth:`from_store`).

    With a trainer that delays, fitting is done by all its workers together: after each session, or,
    when simulating, at the end.

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

    Raises:
        OnlineError: There is no strategy, two have one name, or ``freq`` is not known.

    Example:
        >>> manager = OnlineManager(strategy, begin_time="2022-06-01")  # doctest: +SKIP
        >>> signals = manager.simulate("2022-12-01")  # doctest: +SKIP
    """

    def __init__(
        self,
        strategies: OnlineStrategy | Sequence[OnlineStrategy],
        trainer: Trainer | None = None,
        begin_time: Any = None,
        freq: str = "day",
        *,
        name: str | None = sent.SIGNALS,
    ) -> None:
        if freq != "day":
            raise OnlineError(f"freq {freq!r} is not known: sessions are days, use 'day'")
        self.strategies = _several(strategies)
        _check_names(self.strategies)
        self.trainer = trainer or TrainerR()
        self.freq = freq
        self.name = name
        self.begin_time = session_at(begin_time, default_calendar())
        self.cur_time = self.begin_time
        self.history: dict[pd.Timestamp, dict[OnlineStrategy, list[Any]]] = {}
        self.status = self.STATUS_ONLINE
        self.signals: Any = None

    # beginning

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
        done = RoutineReport()
        with self._exclusive(chosen), as_of(self.cur_time):
            self._recall()
            for strategy in chosen:
                self._check_past(strategy, self.cur_time)
            tasks = {strategy: strategy.first_tasks() for strategy in chosen}
            self._serve(tasks, self.cur_time, done, model_kwargs)
        done.raise_failures()

    def adopt(self) -> RoutineReport:
        """Begin with what a backfill has trained, instead of :meth:`first_train`.

        The latest finished rolls, as their strategies define them now, go online; where the latest
        roll was never trained, it is trained. A strategy with online models stays as it is.

        Returns:
            What was done.

        Raises:
            OnlineError: A strategy is no :class:`RollingStrategy`.
            TrainingError: A latest roll cannot be trained.
        """
        # one whose first training failed has worked through a session, and nothing serves
        new = [strategy for strategy in self.strategies if not strategy.tool.online_models()]
        done = RoutineReport()
        if not new:
            return done
        with self._exclusive(new), as_of(self.cur_time):
            tasks: dict[OnlineStrategy, list[Any]] = {}
            for strategy in new:
                if not isinstance(strategy, RollingStrategy):
                    raise OnlineError(
                        f"{strategy.name_id}: only a RollingStrategy can take over what a backfill "
                        "has trained; use first_train"
                    )
                self._check_past(strategy, self.cur_time)
                found = strategy.trained(strategy.first_tasks(), self.cur_time)
                strategy.prepare_online_models([r for r in found if r], self.cur_time)
                tasks[strategy] = strategy.current_tasks()
            self._serve(tasks, self.cur_time, done, None)
        done.raise_failures()
        return done

    def add_strategy(self, strategies: OnlineStrategy | Sequence[OnlineStrategy]) -> None:
        """Add strategies and train their first tasks.

        Raises:
            OnlineError: A name is there already.
            TrainingError: Some tasks failed; the others are online.
        """
        new = _several(strategies)
        _check_names([*self.strategies, *new])
        try:
            self.first_train(new)
        except TrainingError:  # those that could be trained are online
            self.strategies.extend(new)
            raise
        self.strategies.extend(new)

    # every session

    def routine(
        self,
        cur_time: Any = None,
        task_kwargs: Kwargs = None,
        model_kwargs: Kwargs = None,
        signal_kwargs: Kwargs = None,
    ) -> RoutineReport:
        """Work through a session, and before it those that were missed since the last one.

        Doing it twice changes nothing. Tasks that fail leave the models that served before online.

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
        done = self.catch_up_to(cur_time, task_kwargs, model_kwargs, signal_kwargs)
        done.raise_failures()
        return done

    def catch_up_to(
        self,
        cur_time: Any = None,
        task_kwargs: Kwargs = None,
        model_kwargs: Kwargs = None,
        signal_kwargs: Kwargs = None,
    ) -> RoutineReport:
        """As :meth:`routine`, but tasks that failed are only noted in what it returns."""
        now = session_at(cur_time, default_calendar())
        with self._exclusive(self.strategies):
            self._recall()
            done = RoutineReport(self._missed(now))
            for session in done.sessions:
                with as_of(session):
                    tasks = {
                        s: s.prepare_tasks(session, **(task_kwargs or {}))
                        for s in self.strategies
                        if (self._worked(s) or session) <= session  # not one that is ahead
                    }
                    self._serve(tasks, session, done, model_kwargs)
            if not self._postpones():
                self._send(done.sessions[0], **(signal_kwargs or {}))
        return done

    def _serve(
        self,
        tasks: Mapping[OnlineStrategy, Sequence[Any]],
        session: pd.Timestamp,
        done: RoutineReport,
        model_kwargs: Kwargs,
    ) -> None:
        """Train tasks, switch, and bring predictions and labels up to the session."""
        models = {s: self._trained(s, given, session, done) for s, given in tasks.items()}
        for strategy in tasks:
            online = strategy.prepare_online_models(
                models[strategy], cur_time=session, **(model_kwargs or {})
            )
            self.history.setdefault(session, {})[strategy] = online
            if not self._postpones():
                updated = strategy.update(session)
                done.predicted += updated.predicted
                done.labelled += updated.labelled
            if (ledger := _ledger(strategy)) is not None:
                state = ledger.read()
                failed = done.failures.get(strategy.name_id)
                failures = [] if failed is None else [str(failed)]
                if (worked := state.at_session(f"{session:{_DAY}}", failures)) is not state:
                    ledger.write(worked)
        self.cur_time = session

    def _trained(
        self,
        strategy: OnlineStrategy,
        tasks: Sequence[Any],
        session: pd.Timestamp,
        done: RoutineReport,
    ) -> list[Any]:
        """Models of tasks: those that a routine which died has trained, the others anew."""
        known: list[Any] = [None] * len(tasks)
        if isinstance(strategy, RollingStrategy):
            known = list(strategy.trained(tasks, session))
        todo = [task for task, model in zip(tasks, known, strict=True) if model is None]
        if not todo:
            return known
        made = self._attempt(self.trainer.train, todo, strategy, done)
        if not self._postpones():
            begun = [model for model in made if model is not None]
            ended = iter(self._attempt(self.trainer.end_train, begun, strategy, done))
            made = [None if model is None else next(ended, None) for model in made]
        new = iter(made)
        trained = [next(new, None) if model is None else model for model in known]
        done.trained += [m for m, k in zip(trained, known, strict=True) if k is None and m]
        return [model for model in trained if model is not None]

    def _attempt(
        self,
        step: Callable[..., list[Any]],
        given: Any,
        strategy: OnlineStrategy,
        done: RoutineReport,
    ) -> list[Any]:
        """Models of a step of the trainer; ``None`` for one that failed, which is noted."""
        try:
            return step(given, experiment_name=strategy.name_id)
        except TrainingError as error:
            done.failures[strategy.name_id] = error
            return list(error.trained)

    def _missed(self, now: pd.Timestamp) -> list[pd.Timestamp]:
        """The sessions after the last one that was worked through, up to this one."""
        for strategy in self.strategies:
            self._check_past(strategy, now)
        worked = [w for w in map(self._worked, self.strategies) if w is not None]
        if not worked or min(worked) >= now:
            return [now]
        sessions = default_calendar().between(min(worked), now)
        return [session for session in sessions if session > min(worked)] or [now]

    # simulation

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
        calendar = default_calendar()
        sessions = every(frequency, calendar.between(self.cur_time, session_at(end_time, calendar)))
        self._recall()
        self.status = self.STATUS_SIMULATING
        try:
            with self._exclusive(self.strategies):
                self.first_train(model_kwargs=model_kwargs)
                with progress_bar("simulate", len(sessions)) as update:
                    for done, session in enumerate(sessions, 1):
                        self.routine(session, task_kwargs, model_kwargs, signal_kwargs)
                        update(done, None)
                if self._postpones():
                    self.delay_prepare(signal_kwargs=signal_kwargs)
        finally:
            self.status = self.STATUS_ONLINE
        if self.signals is not None:
            self._keep()
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
        done = RoutineReport()
        with self._exclusive(self.strategies), as_of(self.cur_time):
            for strategy in self.strategies:
                end_train = partial(self.trainer.end_train, **(model_kwargs or {}))
                self._attempt(end_train, self._models(strategy), strategy, done)
                strategy.catch_up(self.cur_time)
            try:
                self._prepare(None, (signal_kwargs or {}).get("prepare_func"))
                self._keep()
            except CollectError:
                done.raise_failures()  # which say why there is nothing
                raise
        done.raise_failures()

    def _models(self, strategy: OnlineStrategy) -> list[Any]:
        if isinstance(strategy, RollingStrategy):
            return strategy.all_models()
        served = (model for by in self.history.values() for model in by.get(strategy, []))
        return list(dict.fromkeys(served))

    def _postpones(self) -> bool:
        return self.status == self.STATUS_SIMULATING and self.trainer.is_delay()

    # what is kept

    @classmethod
    def from_store(
        cls,
        strategies: OnlineStrategy | Sequence[OnlineStrategy],
        trainer: Trainer | None = None,
        *,
        name: str = sent.SIGNALS,
    ) -> Self:
        """A manager as the experiments of its strategies say: history, session and signals.

        Args:
            strategies: As they were defined.
            trainer: As in the constructor.
            name: As in the constructor.

        Raises:
            OnlineError: None of the strategies has ever been online.
        """
        made = cls(strategies, trainer, name=name)
        for strategy in made.strategies:
            ledger = _ledger(strategy)
            state = None if ledger is None else ledger.read()
            if state is None or not state.sessions:
                continue
            models = {
                r.id: r
                for r in strategy.tool.recorders(  # type: ignore[attr-defined]
                    dict.fromkeys(i for change in state.changes for i in change.online)
                )
            }
            for session in state.sessions:
                served = [models[i] for i in state.online_at(session) if i in models]
                made.history.setdefault(pd.Timestamp(session), {})[strategy] = served
        if not made.history:
            names = ", ".join(strategy.name_id for strategy in made.strategies)
            raise OnlineError(f"{names}: no online model yet; begin with first_train or adopt")
        made.history = dict(sorted(made.history.items()))
        made.begin_time, made.cur_time = min(made.history), max(made.history)
        made._recall()
        return made

    def to_pickle(self, path: str | Path) -> None:
        """Keep the manager in a file; models stay in their experiments."""
        Path(path).write_bytes(pickled(self.__dict__))

    @classmethod
    def load(cls, path: str | Path, allow: Sequence[str] = ()) -> Self:
        """A manager that was kept in a file.

        Args:
            path: The file.
            allow: Modules of strategies and trainers of your own, which loading may run.

        Raises:
            UnsafeObjectError: The file names something else that may run code.
            OnlineError: It is no such file.
        """
        made = cls.__new__(cls)
        made.__dict__.update(unpickled(path, allow))
        return made

    # guards

    @contextmanager
    def _exclusive(self, strategies: Sequence[OnlineStrategy]) -> Iterator[None]:
        with ExitStack() as stack:
            for strategy in sorted(strategies, key=lambda strategy: strategy.name_id):
                if (ledger := _ledger(strategy)) is not None and not ledger.busy:
                    stack.enter_context(ledger.exclusive())
            yield

    def _worked(self, strategy: OnlineStrategy) -> pd.Timestamp | None:
        """The last session at which a strategy was worked on."""
        if (ledger := _ledger(strategy)) is not None:
            session = ledger.read().session
            return None if session is None else pd.Timestamp(session)
        return max((day for day, by in self.history.items() if strategy in by), default=None)

    def _has_begun(self) -> bool:
        return any(self._worked(strategy) is not None for strategy in self.strategies)

    def _check_past(self, strategy: OnlineStrategy, session: pd.Timestamp) -> None:
        worked = self._worked(strategy)
        if worked is not None and worked > session:
            raise OnlineError(
                f"{strategy.name_id} has worked through {worked:{_DAY}}, so {session:{_DAY}} is "
                "past: state only moves on; to replay the past use another name_id, or delete the "
                "recorders of the experiment"
            )


def _ledger(strategy: OnlineStrategy) -> OnlineLedger | None:
    ledger = getattr(strategy.tool, "ledger", None)
    return None if ledger is None else ledger()


def _several(strategies: OnlineStrategy | Sequence[OnlineStrategy]) -> list[OnlineStrategy]:
    return [strategies] if isinstance(strategies, OnlineStrategy) else list(strategies)


def _check_names(strategies: Sequence[OnlineStrategy]) -> None:
    if not strategies:
        raise OnlineError("an OnlineManager needs a strategy")
    names = [strategy.name_id for strategy in strategies]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OnlineError(
            f"strategy name {twice!r} is used twice: give each strategy a name_id of its own, it "
            "names its experiment"
        )
