"""From templates to tasks."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.tasks import Task


class TaskGen(abc.ABC):
    """Makes several tasks of one template."""

    @abc.abstractmethod
    def generate(self, task: Mapping[str, Any]) -> list[Task]:
        """The tasks made of a template, which stays as it is."""

    def __call__(self, task: Mapping[str, Any]) -> list[Task]:
        """Short for :meth:`generate`."""
        return self.generate(task)


Generator = Callable[[Any], Iterable[Task]]  # a TaskGen is one


def task_generator(
    tasks: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    generators: Generator | Iterable[Generator],
) -> list[Task]:
    """The product of templates and generators: each generator multiplies what came before.

    Args:
        tasks: One template or several.
        generators: One generator or several: a :class:`TaskGen`, or any function that makes
            tasks of one template.

    Returns:
        Tasks, in the order of templates and then of each generator.

    Raises:
        TaskError: A template is no dict, or a generator cannot be called.

    Example:
        >>> def seeds(task):
        ...     return [{**task, "seed": seed} for seed in (1, 2)]
        >>> task_generator([{"model": "a"}, {"model": "b"}], seeds)[1:3]
        [{'model': 'a', 'seed': 2}, {'model': 'b', 'seed': 1}]
    """
    templates: list[Any] = list(_several("tasks", tasks, isinstance(tasks, Mapping)))
    chain = list(_several("generators", generators, callable(generators)))
    for place, task in enumerate(templates):
        if not isinstance(task, Mapping):
            raise TaskError(f"tasks.{place} is {task!r}: a template is a dict")
    for place, generator in enumerate(chain):
        if not callable(generator):
            raise TaskError(f"generators.{place} is {generator!r}: use a TaskGen or a function")
    for generator in chain:
        templates = [task for template in templates for task in generator(template)]
    return templates


def _several(name: str, argument: Any, is_single: bool) -> Iterable[Any]:
    if is_single:
        return [argument]
    if isinstance(argument, str) or not isinstance(argument, Iterable):
        raise TaskError(f"{name} is {argument!r}: give one or a list of them")
    return argument


def whole_number(name: str, value: Any, least: int, of_what: str) -> int:
    """A number of something, as an argument of a generator.

    Raises:
        TaskError: It is not whole, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise TaskError(f"{name} {value!r} is unknown: use a number {of_what} ({least} or more)")
    return int(value)
