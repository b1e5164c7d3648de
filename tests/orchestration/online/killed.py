"""The daily run in a process of its own, which a test may kill."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import dagster as dg

from tests.online.market import template
from tests.orchestration.online.life import Life, create_assets


def evening(folder: Path, after: float | None, misbehave: str = "") -> None:
    """Tick the schedule and execute what it requests; die after some seconds.

    Args:
        folder: That of the test: prices, clock, and the homes of this package and of Dagster.
        after: Seconds; ``None`` lets it finish.
        misbehave: How the model misbehaves (:class:`tests.support.Misbehaving`).
    """
    # the environment of the fork server is that of the test which started it
    os.environ.update(WF_HOME=str(folder / "home"), DAGSTER_HOME=str(folder / "dagster"))
    if after is not None:
        threading.Thread(target=_die, args=(after,), daemon=True).start()
    with dg.DagsterInstance.get() as instance:
        life = Life.resumed(folder, instance)
        if misbehave:
            life.define([create_assets(task=misbehaving(misbehave))])
        request = life.tick()
        if isinstance(request, dg.RunRequest):
            life.run(request)


def misbehaving(how: str) -> dict[str, object]:
    """The task with a model that misbehaves."""
    model = {"class": "Misbehaving", "module_path": "tests.support", "kwargs": {"how": how}}
    return template(model=model)


def end_what_died(instance: dg.DagsterInstance) -> None:
    """Dagster's code server notices that the process of a run is gone, and reports it."""
    for run in instance.get_runs():
        if not run.is_finished:
            instance.report_run_failed(run)


def _die(after: float) -> None:
    time.sleep(after)
    os.kill(os.getpid(), signal.SIGKILL)
