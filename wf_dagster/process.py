"""Call a function in a process of its own, which gives all memory back when it ends."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from wf_dagster.settings import restore, snapshot

T = TypeVar("T")


def in_own_process(function: Callable[..., T], *args: object, **kwargs: object) -> T:
    """Call a function in a new process with the settings of this one.

    Args:
        function: It must be importable.
        *args: Its arguments, which must be picklable, as must be the result.
        **kwargs: More of them.

    Returns:
        What it returned.

    Raises:
        Exception: What it raised.
    """
    # spawned: a forked copy of a process with threads (MLflow's, the leases') can hang
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, _begin, (snapshot(),)) as executor:
        return executor.submit(function, *args, **kwargs).result()


def _begin(settings: dict[str, object]) -> None:
    restore(settings)
