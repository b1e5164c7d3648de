"""The rolls of a strategy's templates: which there are by a session, and which are due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from wf_dagster.calendars import TradingCalendar
from wf_dagster.rolling import RollingGen, due_session, same_models, task_generator
from wf_dagster.tasks import Task
from wf_dagster.tasks.segments import parse_segment


@dataclass(frozen=True)
class RollPlan:
    """The rolls of templates on a calendar.

    Attributes:
        templates: Tasks of the first roll, one a model.
        generator: How their segments move on.
        calendar: With prices up to the session that is now.
    """

    templates: Sequence[Mapping[str, Any]]
    generator: RollingGen
    calendar: TradingCalendar

    @property
    def now(self) -> pd.Timestamp:
        """The last session with prices."""
        return self.calendar.last_session

    def all_rolls(self) -> list[Task]:
        """The rolls of all templates that have begun."""
        return task_generator(list(self.templates), self._rolls_of)

    def current_rolls(self) -> list[Task]:
        """The latest roll of each template."""
        return [self._rolls_of(template)[-1] for template in self.templates]

    def due_rolls(self, trained: Iterable[Task], session: pd.Timestamp) -> list[Task]:
        """The rolls that are due at a session and follow the latest of those that were trained.

        Args:
            trained: Rolls of the templates.
            session: The session that has closed.

        Returns:
            Those of a template in the order of time; of a template without a trained roll, its
            latest roll.
        """
        latest = {
            same_models(task): task
            for task in sorted(trained, key=lambda task: start_of(task, self.generator))
        }
        tasks: list[Task] = []
        for template in self.templates:
            family = same_models(template)
            if family in latest:
                tasks += self._due_after(template, latest[family], session)
            else:
                tasks.append(self._rolls_of(template)[-1])
        return tasks

    def _rolls_of(self, template: Mapping[str, Any]) -> list[Task]:
        return self.generator.on(self.calendar).generate(template, until=self.now)

    def _due_after(
        self, template: Mapping[str, Any], roll: Task, session: pd.Timestamp
    ) -> Iterator[Task]:
        """The rolls of the template, not the trained one moved on.

        A session that was foreseen and never came has made that one shorter than others. But a
        template whose own test segment ends is moved on for ever, and a warm start goes on from
        the roll that was really trained.
        """
        generator = self.generator.on(self.calendar)
        ends = parse_segment(template["dataset"]["kwargs"]["segments"][generator.test_key])[1]
        if generator.warm_start or ends is not None:
            rolls = generator.gen_following_tasks(roll, self.calendar.sessions[-1])
        else:
            rolls = iter(generator.generate(template, until=self.calendar.sessions[-1]))
        start = start_of(roll, generator)
        for task in rolls:
            if start_of(task, generator) <= start:
                continue
            if due_session(task, self.calendar, generator.test_key) > session:
                return
            yield task


def start_of(task: Mapping[str, Any], generator: RollingGen) -> pd.Timestamp:
    """The first test session of a roll."""
    start = parse_segment(task["dataset"]["kwargs"]["segments"][generator.test_key])[0]
    assert start is not None, "the generator makes test segments with a start"
    return start


def key_of(task: Mapping[str, Any], generator: RollingGen) -> str:
    """The key of the roll that a task is, an ISO date."""
    start = start_of(task, generator)
    return f"{generator.period_start(start) if generator.is_period else start:%Y-%m-%d}"
