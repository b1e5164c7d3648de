"""The strategy of rolls: the model of the latest one serves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from wf_dagster.calendars import to_day
from wf_dagster.collect import Collector, RecorderCollector, RollingGroup
from wf_dagster.errors import ObjectNotFoundError, OnlineError
from wf_dagster.market import Market
from wf_dagster.online.late_rows import LateRows, complete_rows, note_prices
from wf_dagster.online.online_only_filter import OnlineOnlyFilter
from wf_dagster.online.online_strategy import OnlineStrategy, RecorderChanges
from wf_dagster.online.online_tool import OnlineToolR
from wf_dagster.online.recorder_updates import complete_labels, update_recorder
from wf_dagster.online.roll_plan import RollPlan, key_of, start_of
from wf_dagster.online.served_prices import late_names
from wf_dagster.online.sessions import daily_calendar
from wf_dagster.online.strategy_keys import StrategyKeys
from wf_dagster.rolling import (
    RollingGen,
    TimeAdjuster,
    WantedRoll,
    same_models,
    template_fingerprint,
)
from wf_dagster.tasks import Task, fingerprint, modules_named
from wf_dagster.tracking import Recorder, find_recorders
from wf_dagster.training import find_trained_rolls
from wf_dagster.training.task_market import take_market

_log = logging.getLogger(__name__)


class RollingStrategy(OnlineStrategy):
    """The model of the latest roll serves; the next one takes over at its first session.

    A roll is trained as soon as all labels of its train (and valid) segment are known, at the
    latest at the close of its first test session. One that is trained before that is
    ``next_online`` until then.

    Args:
        name_id: Unique name; that of the experiment, and of the trainer's experiment.
        task_template: The task of the first roll, or one for each model.
        rolling_gen: How their segments move on.
        market: Where its sessions and prices come from; default the one that the templates carry,
            else that of the settings, with the generator's own calendar if it has one.

    Raises:
        OnlineError: ``rolling_gen`` is no :class:`RollingGen`, or strategy and templates name
            different markets.
        DataError: The market is none.
    """

    def __init__(
        self,
        name_id: str,
        task_template: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        rolling_gen: RollingGen,
        *,
        market: Market | None = None,
    ) -> None:
        if not isinstance(rolling_gen, RollingGen):
            raise OnlineError(
                f"rolling_gen is {rolling_gen!r}: a RollingStrategy needs a RollingGen"
            )
        several = [task_template] if isinstance(task_template, Mapping) else list(task_template)
        # a template may carry the market in its dataset: the strategy owns it
        taken = [take_market(t) if isinstance(t, Mapping) else (t, None) for t in several]
        self.task_template: list[Mapping[str, Any]] = [task for task, _ in taken]
        own = _common_market(
            name_id, [m for m in (market, *(m for _, m in taken)) if m is not None]
        )
        super().__init__(name_id, market=own or Market(calendar=rolling_gen.own_calendar))
        self.exp_name = name_id
        self.rg = rolling_gen
        modules = {m for template in self.task_template for m in modules_named(template)}
        modules |= self.market.modules
        self.tool: OnlineToolR = OnlineToolR(self.exp_name, trusted=modules, market=self.market)
        self._tasks: dict[str, Task] = {}  # a recorder's task never changes

    def __setstate__(self, state: dict[str, Any]) -> None:
        # one that was pickled before strategies had a market
        market = state.get("market") or Market(calendar=state["rg"].own_calendar)
        self.__dict__.update(state, market=market)

    @property
    def ta(self) -> TimeAdjuster:
        """The sessions of its market, for code that was written for Qlib's strategies."""
        return TimeAdjuster(calendar=self.market.calendar)

    # what is trained

    def first_tasks(self) -> list[Task]:
        """The rolls of all templates up to the last session with prices."""
        return self._plan().all_rolls()

    def current_tasks(self) -> list[Task]:
        """The latest roll of each template."""
        return self._plan().current_rolls()

    def prepare_tasks(self, cur_time: Any, **kwargs: Any) -> list[Task]:
        """The rolls that are due and follow the latest that was trained.

        Args:
            cur_time: The session that has closed; ``None`` is the last one with prices.
            **kwargs: Not used.

        Returns:
            Tasks, those of a template in the order of time. Of a template that is new, or was
            changed, the latest roll; none at all when there is no model yet.
        """
        plan = self._plan()
        session = plan.now if cur_time is None else to_day(cur_time)
        models = self.held_models()
        if not models:
            _log.warning("%s has no online model, so nothing follows: train first", self.name_id)
            return []
        return plan.due_rolls(map(self.task_of, models), session)

    def _plan(self) -> RollPlan:
        return RollPlan(self.task_template, self.rg, daily_calendar(self.market))

    def roll_start(self, task: Mapping[str, Any]) -> pd.Timestamp:
        """The first test session of the roll that a task belongs to."""
        return start_of(task, self.rg)

    def roll_key(self, task: Mapping[str, Any]) -> str:
        """The key of the roll that a task belongs to, an ISO date."""
        return key_of(task, self.rg)

    def find_trained(self, tasks: Sequence[Task], session: Any) -> list[Recorder | None]:
        """Finished recorders of tasks, which need not be trained again.

        Args:
            tasks: Task definitions.
            session: A recorder that has seen later prices does not count.

        Returns:
            The newest recorder a task; ``None`` where there is none.
        """
        by_fingerprint = find_trained_rolls(
            self.exp_name,
            [WantedRoll(fingerprint(t), self.roll_key(t), t, self.market) for t in tasks],
            until=to_day(session),
            knows_until=True,
            trusted=self.tool.trusted,
        )
        for recorder in by_fingerprint.values():
            recorder.trusted |= self.tool.trusted
        return [by_fingerprint.get(fingerprint(task)) for task in tasks]

    def adopt_tasks(self, session: Any) -> list[Task]:
        """Put the latest finished rolls online, as the templates define them now.

        Args:
            session: The session that has closed.

        Returns:
            The latest roll of each template.
        """
        trained = self.find_trained(self.first_tasks(), session)
        self.prepare_online_models([recorder for recorder in trained if recorder], session)
        return self.current_tasks()

    # what serves

    def prepare_online_models(
        self, trained_models: Sequence[Recorder], cur_time: Any = None
    ) -> list[Recorder]:
        """Switch to the latest rolls whose first test session has closed; later ones wait.

        Args:
            trained_models: Recorders that were trained now.
            cur_time: The session that has closed; ``None`` is the last one with prices.

        Returns:
            The recorders that are online, one a template.
        """
        now = self._plan().now if cur_time is None else to_day(cur_time)
        state = self.tool.state()
        held = {*state.online, *state.next_online}
        if not state.next_online and all(model.id in held for model in trained_models):
            return self.tool.recorders(state.online)
        models = self.tool.recorders((*state.online, *state.next_online))
        models += [model for model in trained_models if model.id not in held]
        tasks = {model.id: self.task_of(model) for model in models}
        begun = [model for model in models if self.roll_start(tasks[model.id]) <= now]
        online = self._latest_of_each(begun, tasks)
        self.tool.switch(
            [model.id for model in online],
            [model.id for model in models if model not in begun],
            unlabelled=[model.id for model in begun if model not in online],
            session=f"{now:%Y-%m-%d}",
        )
        return online

    def _latest_of_each(
        self, begun: Sequence[Recorder], tasks: Mapping[str, Task]
    ) -> list[Recorder]:
        """The latest roll of each template, in the order of the templates."""
        latest = {
            same_models(tasks[model.id]): model
            for model in sorted(begun, key=lambda model: self.roll_start(tasks[model.id]))
        }
        families = [same_models(template) for template in self.task_template]
        present = [latest.pop(family) for family in families if family in latest]
        # models of an earlier definition serve until each present definition has one
        return present if len(present) == len(families) else [*present, *latest.values()]

    def held_models(self) -> list[Recorder]:
        """The recorders that are or will be online."""
        state = self.tool.state()
        return self.tool.recorders((*state.online, *state.next_online))

    def all_models(self, served: Sequence[Any] = ()) -> list[Recorder]:
        """The recorders that are, were or will be online.

        Args:
            served: Not needed: the ledger knows.
        """
        state = self.tool.state()
        earlier = [i for change in state.changes for i in change.online]
        return self.tool.recorders(
            dict.fromkeys((*state.unlabelled, *earlier, *state.online, *state.next_online))
        )

    def models_to_ids(self, models: Sequence[Recorder]) -> list[str]:
        """Ids of recorders, which stand for them in a pickled manager."""
        return [model.id for model in models]

    def ids_to_models(self, ids: Sequence[str]) -> list[Recorder]:
        """Recorders by id; those that were deleted are left out with a warning."""
        return self.tool.recorders(ids)

    # what is kept current

    def update(self, to_date: Any) -> RecorderChanges:
        """Bring predictions of the online models, and all labels that are missing, up to a date.

        Args:
            to_date: The last session to predict, and the last whose prices labels may use.
        """
        state = self.tool.state()
        changes = RecorderChanges()
        for recorder in self.tool.recorders(state.online):
            with self._skipping_incomplete(recorder):
                changed = update_recorder(recorder, to_date, market=self.market)
                changes.add(recorder, *changed)
        complete = []
        for recorder in self.tool.recorders(state.unlabelled):
            with self._skipping_incomplete(recorder):
                labelled, is_complete = complete_labels(recorder, self.market)
                changes.add(recorder, False, labelled)
                complete += [recorder.id] if is_complete else []
        if complete:
            self.tool.forget_labels(complete)
        return changes

    def predict_again(self, to_date: Any) -> RecorderChanges:
        """Predict again all sessions of the online models, whose prices were restated.

        Args:
            to_date: The last session.
        """
        changes = RecorderChanges()
        for recorder in self.tool.online_models():
            with self._skipping_incomplete(recorder):
                changed = update_recorder(recorder, to_date, market=self.market, again=True)
                changes.add(recorder, *changed)
        return changes

    def complete_late(self) -> list[LateRows]:
        """Add the rows that predictions and labels of the latest served sessions lack."""
        return [] if self.ledger() is None else complete_rows(self)

    def late_rows(self) -> Mapping[str, Sequence[str]]:
        """Instruments whose rows were added to a session that was served, by ISO date."""
        ledger = self.ledger()
        return {} if ledger is None else late_names(ledger)

    def note_prices(self, session: pd.Timestamp) -> None:
        """Keep what tells later whether prices have changed."""
        if self.ledger() is not None:  # one of the user's tools keeps none
            note_prices(self, session)

    def catch_up(self, to_date: Any) -> None:
        """Let models that were trained late predict the sessions at which they were online.

        Args:
            to_date: The last session to predict, and the last whose prices labels may use.
        """
        calendar = daily_calendar(self.market)
        changes = self.tool.state().changes
        ends = [calendar.index(change.session) - 1 for change in changes[1:]]
        for change, end in zip(changes, ends, strict=False):
            for recorder in self.tool.recorders(change.online):
                with self._skipping_incomplete(recorder):
                    update_recorder(recorder, calendar.session_at(end), market=self.market)
        self.update(to_date)

    @contextmanager
    def _skipping_incomplete(self, recorder: Recorder) -> Iterator[None]:
        try:
            yield
        except ObjectNotFoundError as error:
            _log.warning("%s: recorder %s is left out: %s", self.name_id, recorder.id, error)

    def get_collector(
        self,
        process_list: Any = None,
        rec_key_func: Callable[[Recorder], Any] | None = None,
        rec_filter_func: Callable[[Recorder], bool] | None = None,
        artifacts_key: str | Sequence[str] | None = None,
    ) -> Collector:
        """What collects the rolls of each model into one frame.

        Args:
            process_list: What is done with the collected dict; default :class:`RollingGroup`.
            rec_key_func: Key of a recorder; default ``(model, test segment)``, where the model is
                its class, and of several templates with one class also their fingerprint.
            rec_filter_func: Which recorders; default all.
            artifacts_key: Which artifacts; default all.
        """
        return RecorderCollector(
            experiment=self.exp_name,
            process_list=[RollingGroup()] if process_list is None else process_list,
            rec_key_func=rec_key_func or StrategyKeys(self),
            rec_filter_func=rec_filter_func,
            artifacts_key=artifacts_key,
        )

    def get_served(self, until: Any, since: Any = None) -> Collector:
        """What collects the predictions that signals are made of: those of models while online.

        Args:
            until: The last session.
            since: Only models that were online at this session or later; default all, and before
                the first of them what was trained by then.
        """
        state = self.tool.state()
        online_only = OnlineOnlyFilter(state, to_day(until))

        def list_recorders() -> list[Recorder]:
            if since is None:
                return [*reversed(find_recorders(self.exp_name))]  # the latest counts
            return self.tool.recorders(state.serving_since(f"{to_day(since):%Y-%m-%d}"))

        return RecorderCollector(
            experiment=list_recorders,
            process_list=[online_only, RollingGroup()],
            rec_key_func=lambda recorder: online_only.key(recorder, self.collected_key(recorder)),
        )

    def collected_key(self, recorder: Recorder) -> tuple[str, tuple[Any, ...]]:
        """The key of a recorder in what is collected: its model, and its test segment."""
        recorder.trusted |= self.tool.trusted
        task = self.task_of(recorder)
        return self.model_key(task), tuple(task["dataset"]["kwargs"]["segments"][self.rg.test_key])

    def task_of(self, recorder: Recorder) -> Task:
        """The task of a recorder, read once."""
        if recorder.id not in self._tasks:
            self._tasks[recorder.id] = recorder.load_object("task")
        return self._tasks[recorder.id]

    def model_key(self, task: Mapping[str, Any]) -> str:
        """Names the model of a task among those of the strategy."""
        model = _model_class(task)
        same = [t for t in self.task_template if _model_class(t) == model]
        return model if len(same) < 2 else f"{model} {template_fingerprint(task)[:8]}"


def _model_class(task: Mapping[str, Any]) -> str:
    model = task["model"]
    name = model["class"] if isinstance(model, Mapping) else model
    text = name if isinstance(name, str) else getattr(name, "__name__", type(name).__name__)
    return str(text).rpartition(".")[2]


def _common_market(name: str, markets: Sequence[Market]) -> Market | None:
    if any(market != markets[0] for market in markets):
        raise OnlineError(
            f"strategy {name!r} and its templates name different markets "
            f"({', '.join(map(repr, markets))}): a strategy has one; make one strategy for each"
        )
    return markets[0] if markets else None
