"""What is trained next, and what serves: the strategies of an online manager."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from wf_dagster.calendars import TradingCalendar, default_calendar, to_day
from wf_dagster.collect import Collector, RecorderCollector, RollingGroup
from wf_dagster.errors import ObjectNotFoundError, OnlineError
from wf_dagster.online.online_only_filter import OnlineOnlyFilter
from wf_dagster.online.tool import OnlineTool, OnlineToolR
from wf_dagster.online.update import complete_labels, update_recorder
from wf_dagster.rolling import RollingGen, due_session, task_generator, template_fingerprint
from wf_dagster.tasks import fingerprint, modules_named
from wf_dagster.tasks.segments import segment_of
from wf_dagster.tracking import Recorder, find_recorders
from wf_dagster.training import DATA_UNTIL

_log = logging.getLogger(__name__)

Task = dict[str, Any]


@dataclass
class Updated:
    """The recorders whose predictions, and those whose labels changed."""

    predicted: list[Recorder] = field(default_factory=list)
    labelled: list[Recorder] = field(default_factory=list)

    def add(self, recorder: Recorder, predicted: bool, labelled: bool) -> None:
        """Note what changed of a recorder."""
        self.predicted += [recorder] if predicted else []
        self.labelled += [recorder] if labelled else []


class OnlineStrategy:
    """Says which tasks are to be trained at a session, and which models serve.

    Args:
        name_id: Unique name; that of the experiment.
    """

    def __init__(self, name_id: str) -> None:
        self.name_id = name_id
        self.tool: OnlineTool = OnlineTool()

    def first_tasks(self) -> list[Task]:
        """The tasks to begin with."""
        raise NotImplementedError  # abstract

    def prepare_tasks(self, cur_time: Any, **kwargs: Any) -> list[Task]:
        """The tasks that are due at a session.

        Args:
            cur_time: The session that has closed; ``None`` is the last one with prices.
            **kwargs: As the strategy takes them.
        """
        raise NotImplementedError  # abstract

    def prepare_online_models(
        self, trained_models: Sequence[Any], cur_time: Any = None
    ) -> list[Any]:
        """Let the trained models serve instead of those that served before.

        Args:
            trained_models: Models; without any, nothing changes.
            cur_time: The session that has closed; ``None`` is the last one with prices.

        Returns:
            The models that are online.
        """
        if trained_models:
            self.tool.reset_online_tag(list(trained_models))
        return self.tool.online_models()

    def update(self, to_date: Any) -> Updated:
        """Bring the predictions of the online models up to a date."""
        return Updated(self.tool.update_online_pred(to_date=to_date) or [])

    def catch_up(self, to_date: Any) -> None:
        """Let models that were trained late predict the sessions at which they were online."""
        self.update(to_date)

    def get_collector(self, *args: Any, **kwargs: Any) -> Collector:
        """What collects the predictions of this strategy."""
        raise NotImplementedError  # abstract


class RollingStrategy(OnlineStrategy):
    """The model of the latest roll serves; the next one takes over at its first session.

    A roll is trained as soon as all labels of its train (and valid) segment are known, at the
    latest at the close of its first test session. One that is trained before that is
    ``next_online`` until then.

    Args:
        name_id: Unique name; that of the experiment, and of the trainer's experiment.
        task_template: The task of the first roll, or one for each model.
        rolling_gen: How their segments move on.

    Raises:
        OnlineError: ``rolling_gen`` is no :class:`RollingGen`.
    """

    def __init__(
        self,
        name_id: str,
        task_template: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        rolling_gen: RollingGen,
    ) -> None:
        super().__init__(name_id)
        if not isinstance(rolling_gen, RollingGen):
            raise OnlineError(
                f"rolling_gen is {rolling_gen!r}: a RollingStrategy needs a RollingGen"
            )
        self.exp_name = name_id
        self.task_template: list[Mapping[str, Any]] = (
            [task_template] if isinstance(task_template, Mapping) else list(task_template)
        )
        self.rg = rolling_gen
        modules = {m for template in self.task_template for m in modules_named(template)}
        self.tool: OnlineToolR = OnlineToolR(self.exp_name, trusted=modules)
        self._tasks: dict[str, Task] = {}  # a recorder's task never changes

    # what is trained

    def first_tasks(self) -> list[Task]:
        """The rolls of all templates up to the last session with prices."""
        return task_generator(list(self.task_template), self._rolls)

    def current_tasks(self) -> list[Task]:
        """The latest roll of each template."""
        return [self._rolls(template)[-1] for template in self.task_template]

    def _rolls(self, template: Mapping[str, Any]) -> list[Task]:
        # a calendar of the generator's own does not know of a replay date
        return self.rg.generate(template, until=self._now())

    def _now(self) -> pd.Timestamp:
        return min(self.rg.calendar.last_session, default_calendar().last_session)

    def prepare_tasks(self, cur_time: Any, **kwargs: Any) -> list[Task]:
        """The rolls that are due and follow the latest that was trained.

        Args:
            cur_time: The session that has closed; ``None`` is the last one with prices.
            **kwargs: Not used.

        Returns:
            Tasks, those of a template in the order of time. Of a template that is new, or was
            changed, the latest roll; none at all when there is no model yet.
        """
        calendar = self.rg.calendar
        now = self._now() if cur_time is None else to_day(cur_time)
        state = self.tool.state()
        held = self.tool.recorders((*state.online, *state.next_online))
        if not held:
            _log.warning("%s has no online model, so nothing follows: train first", self.name_id)
            return []
        latest = self._latest(map(self.task_of, held))
        tasks: list[Task] = []
        for template in self.task_template:
            family = template_fingerprint(template)
            if family in latest:
                tasks += self._due(latest[family], calendar, now)
            else:
                tasks.append(self._rolls(template)[-1])
        return tasks

    def _due(self, last: Task, calendar: TradingCalendar, now: pd.Timestamp) -> Iterator[Task]:
        for task in self.rg.gen_following_tasks(last, calendar.sessions[-1]):
            if due_session(task, calendar, self.rg.test_key) > now:
                return
            yield task

    def _latest(self, tasks: Iterable[Task]) -> dict[str, Task]:
        """Of each template the task whose test segment starts last."""
        return {template_fingerprint(task): task for task in sorted(tasks, key=self._start)}

    def _start(self, task: Mapping[str, Any]) -> pd.Timestamp:
        start = segment_of(task["dataset"]["kwargs"]["segments"][self.rg.test_key])[0]
        assert start is not None, "the generator makes test segments with a start"
        return start

    def roll_key(self, task: Mapping[str, Any]) -> str:
        """The key of the roll that a task belongs to, an ISO date."""
        start = self._start(task)
        return f"{self.rg.period_start(start) if self.rg.is_period else start:%Y-%m-%d}"

    def trained(self, tasks: Sequence[Task], cur_time: Any) -> list[Recorder | None]:
        """Finished recorders of tasks, which need not be trained again.

        Args:
            tasks: Task definitions.
            cur_time: A recorder that has seen later prices does not count.

        Returns:
            The newest recorder a task; ``None`` where there is none.
        """
        now = f"{to_day(cur_time):%Y-%m-%d}"
        found: dict[str, Recorder] = {}
        for recorder in find_recorders(self.exp_name) if tasks else ():
            tags = recorder.list_tags()
            if (seen := tags.get(DATA_UNTIL)) and seen <= now:
                recorder.trusted |= self.tool.trusted
                found.setdefault(tags.get("fingerprint", ""), recorder)
        return [found.get(fingerprint(task)) for task in tasks]

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
        now = self._now() if cur_time is None else to_day(cur_time)
        state = self.tool.state()
        held = {*state.online, *state.next_online}
        if not state.next_online and all(model.id in held for model in trained_models):
            return self.tool.recorders(state.online)
        models = self.tool.recorders((*state.online, *state.next_online))
        models += [model for model in trained_models if model.id not in held]
        tasks = {model.id: self.task_of(model) for model in models}
        begun = [model for model in models if self._start(tasks[model.id]) <= now]
        online = self._serving(begun, tasks)
        self.tool.switch(
            [model.id for model in online],
            [model.id for model in models if model not in begun],
            unlabelled=[model.id for model in begun if model not in online],
            session=f"{now:%Y-%m-%d}",
        )
        return online

    def _serving(self, begun: Sequence[Recorder], tasks: Mapping[str, Task]) -> list[Recorder]:
        """The latest roll of each template, in the order of the templates."""
        latest = {
            template_fingerprint(tasks[model.id]): model
            for model in sorted(begun, key=lambda model: self._start(tasks[model.id]))
        }
        known = [template_fingerprint(template) for template in self.task_template]
        present = [latest.pop(family) for family in known if family in latest]
        # models of an earlier definition serve until each present definition has one
        return present if len(present) == len(known) else [*present, *latest.values()]

    def held_models(self) -> list[Recorder]:
        """The recorders that are or will be online."""
        state = self.tool.state()
        return self.tool.recorders((*state.online, *state.next_online))

    def all_models(self) -> list[Recorder]:
        """The recorders that are, were or will be online."""
        state = self.tool.state()
        served = [i for change in state.changes for i in change.online]
        return self.tool.recorders(
            dict.fromkeys((*state.unlabelled, *served, *state.online, *state.next_online))
        )

    # what is kept current

    def update(self, to_date: Any) -> Updated:
        """Bring predictions of the online models, and all labels that are missing, up to a date.

        Args:
            to_date: The last session to predict, and the last whose prices labels may use.
        """
        state = self.tool.state()
        done = Updated()
        for recorder in self.tool.recorders(state.online):
            with self._leaving_out(recorder):
                done.add(recorder, *update_recorder(recorder, to_date))
        complete = []
        for recorder in self.tool.recorders(state.unlabelled):
            with self._leaving_out(recorder):
                changed, known = complete_labels(recorder)
                done.add(recorder, False, changed)
                complete += [recorder.id] if known else []
        if complete:
            self.tool.forget_labels(complete)
        return done

    def predict_again(self, to_date: Any) -> Updated:
        """Predict again all sessions of the online models, whose prices were restated.

        Args:
            to_date: The last session.
        """
        done = Updated()
        for recorder in self.tool.online_models():
            with self._leaving_out(recorder):
                done.add(recorder, *update_recorder(recorder, to_date, again=True))
        return done

    def catch_up(self, to_date: Any) -> None:
        """Let models that were trained late predict the sessions at which they were online.

        Args:
            to_date: The last session to predict, and the last whose prices labels may use.
        """
        calendar = default_calendar()
        changes = self.tool.state().changes
        ends = [calendar.index(change.session) - 1 for change in changes[1:]]
        for change, end in zip(changes, ends, strict=False):
            for recorder in self.tool.recorders(change.online):
                with self._leaving_out(recorder):
                    update_recorder(recorder, calendar.session_at(end))
        self.update(to_date)

    @contextmanager
    def _leaving_out(self, recorder: Recorder) -> Iterator[None]:
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
            rec_key_func=rec_key_func or self._key,
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
        served = OnlineOnlyFilter(state, to_day(until))

        def listed() -> list[Recorder]:
            if since is None:
                return [*reversed(find_recorders(self.exp_name))]  # the latest counts
            return self.tool.recorders(state.serving_since(f"{to_day(since):%Y-%m-%d}"))

        return RecorderCollector(
            experiment=listed,
            process_list=[served, RollingGroup()],
            rec_key_func=lambda recorder: served.key(recorder, self._key(recorder)),
        )

    def _key(self, recorder: Recorder) -> tuple[str, tuple[Any, ...]]:
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
