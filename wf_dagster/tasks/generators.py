"""From templates to tasks."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Task = dict[str, Any]


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
        generators: One generator or several.

    Returns:
        Tasks, in the order of templates and then of each generator.
    """
    made: list[Any] = [tasks] if isinstance(tasks, Mapping) else list(tasks)
    chain: Iterable[Any] = [generators] if callable(generators) else generators
    for generator in chain:
        made = [new for task in made for new in generator(task)]
    return made
