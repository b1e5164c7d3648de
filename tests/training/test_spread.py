"""Calls spread over worker processes and the one that asks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support import task_of
from wf_dagster.training.spread import Spread

ITEMS = list(range(24))


def where(item: int) -> tuple[int, int]:
    time.sleep(0.2)
    return item, os.getpid()


def dying_elsewhere(home: int, item: int) -> tuple[int, int]:
    if os.getpid() != home and item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return where(item)


def failing_elsewhere(home: int, item: int) -> tuple[int, int]:
    if os.getpid() != home:
        raise ValueError("no luck")
    return where(item)


@pytest.fixture
def spread() -> Iterator[Spread]:
    before = set(multiprocessing.active_children())  # another test's library may keep some
    yield Spread(task_of("2020-01-01"), 2)
    assert set(multiprocessing.active_children()) <= before


@pytest.mark.slow
def test_what_it_gives_is_in_order_and_not_all_from_here(spread):
    made = spread(where, ITEMS)
    assert [item for item, _ in made] == ITEMS
    processes = {process for _, process in made}
    assert len(processes) == 2
    assert os.getpid() in processes


def test_what_a_worker_that_dies_has_left_is_done_here(spread):
    made = spread(partial(dying_elsewhere, os.getpid()), ITEMS)
    assert [item for item, _ in made] == ITEMS
    assert made[1][1] == os.getpid()


def test_an_error_of_a_worker_is_the_callers(spread):
    with pytest.raises(ValueError, match="no luck"):
        spread(partial(failing_elsewhere, os.getpid()), ITEMS)


def test_one_process_and_nothing_to_do():
    assert Spread(task_of("2020-01-01"), 1)(where, ITEMS[:2]) == [(n, os.getpid()) for n in (0, 1)]
    assert Spread(task_of("2020-01-01"), 2)(where, []) == []
