"""Many items, worked on by several processes at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from wf_dagster.process import main_module_hidden
from wf_dagster.training.workers import (
    close_executor,
    end_executor,
    prepare_workers,
    start_executor,
)

S = TypeVar("S")
T = TypeVar("T")


class Spread:
    """Calls a function for each of many items, in worker processes and in this one.

    The workers take the first items and this process the last, so that nobody waits for workers
    that are still starting.

    Args:
        task: A task definition; workers import what it names.
        processes: How many may work, this one among them.
    """

    def __init__(self, task: Mapping[str, Any], processes: int) -> None:
        self._task = task
        self._processes = processes

    def __call__(
        self, function: Callable[[S], T], items: Sequence[S], most: int | None = None
    ) -> list[T]:
        """What the function gives for each item, in their order.

        Args:
            function: One that can be pickled, as the items and what it gives.
            items: What it is called with.
            most: No more processes than this work.
        """
        left = deque(enumerate(items))
        results: dict[int, T] = {}

        def call_each(call: Callable[[S], T], take: Callable[[], tuple[int, S]]) -> None:
            while left:
                try:
                    position, item = take()
                except IndexError:  # another one took the last
                    return
                try:
                    results[position] = call(item)
                except BrokenProcessPool:
                    left.appendleft((position, item))  # for this process
                    return

        processes = min(self._processes, most or self._processes)
        others = min(processes, len(items)) - 1
        if others < 1:
            return [function(item) for item in items]
        prepare_workers(self._task, processes)
        pool = start_executor(others, processes)

        def call_elsewhere(item: S) -> T:
            with main_module_hidden():
                future = pool.submit(function, item)
            return future.result()

        try:
            with ThreadPoolExecutor(others) as threads:
                waiting = [
                    threads.submit(call_each, call_elsewhere, left.popleft) for _ in range(others)
                ]
                try:
                    call_each(function, left.pop)
                except BaseException:
                    left.clear()
                    raise
            for finished in waiting:
                finished.result()
            call_each(function, left.pop)  # what a worker that died has left
        except BaseException:
            end_executor(pool)
            raise
        finally:
            close_executor(pool)
        return [results[position] for position in range(len(items))]
