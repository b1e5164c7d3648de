"""Small real tasks on the sample prices, and models that misbehave on demand."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from threading import Thread
from typing import Any

import pandas as pd
import psutil

from wf_dagster.models import SklearnModel
from wf_dagster.rolling import Roll
from wf_dagster.settings import get_settings
from wf_dagster.tracking import R
from wf_dagster.training import worker


class Misbehaving(SklearnModel):
    """Fails, dies or dawdles while it is fitted."""

    def __init__(self, how: str) -> None:
        super().__init__("sklearn.linear_model.Ridge", alpha=1.0)
        self.how = how

    def fit(self, dataset: Any) -> None:
        if self.how == "raise":
            raise ValueError("no luck")
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "exit":
            raise SystemExit(3)
        if self.how == "slow":
            time.sleep(0.7)
        if self.how == "open":  # a recorder that no block of this thread ends
            Thread(target=R.start_exp, kwargs={"experiment_name": "open"}).start()
        (get_settings().home / "fitting").touch()
        if self.how == "stay":  # as if garbage was collected when the exit was raised
            with suppress(SystemExit):
                time.sleep(120)
        if self.how in ("sleep", "open", "stay"):
            time.sleep(120)
        super().fit(dataset)


class WithProcess(SklearnModel):
    """Starts a process while it is fitted, and ends it when it likes."""

    def fit(self, dataset: Any) -> None:
        worker._GRACE_SECONDS = 0.1  # of a worker that was told to leave
        process = multiprocessing.Process(target=time.sleep, args=(60,))
        process.start()
        parent = psutil.Process(process.pid).ppid()
        R.set_tags(start_method=multiprocessing.get_start_method(), is_child=parent == os.getpid())
        process.terminate()
        process.join()
        R.set_tags(exit_code=process.exitcode)
        time.sleep(1)  # longer than the grace
        super().fit(dataset)


class Held(SklearnModel):
    """Is not fitted before the file ``hold`` of the home folder is gone."""

    def fit(self, dataset: Any) -> None:
        while (get_settings().home / "hold").exists():
            time.sleep(0.1)
        super().fit(dataset)


def task_of(month: str, fail: str = "") -> dict[str, Any]:
    """A ridge task trained on two years and tested on the month that starts at ``month``."""
    start = pd.Timestamp(month)
    day = "%Y-%m-%d"
    model: dict[str, Any] = {
        "class": "SklearnModel",
        "module_path": "wf_dagster.models",
        "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 1.0},
    }
    if fail:
        model = {"class": "Misbehaving", "module_path": "tests.support", "kwargs": {"how": fail}}
    return {
        "model": model,
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "segments": {
                    "train": (
                        (start - pd.DateOffset(years=2)).strftime(day),
                        (start - pd.DateOffset(days=12)).strftime(day),
                    ),
                    "test": (month, (start + pd.offsets.MonthEnd(0)).strftime(day)),
                },
                "infer_processors": [
                    {
                        "class": "CSZScoreNorm",
                        "module_path": "wf_dagster.data.processors",
                        "kwargs": {"fields_group": "feature"},
                    }
                ],
            },
        },
        "record": [
            {
                "class": "SignalRecord",
                "module_path": "wf_dagster.records",
                "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
            },
            {"class": "SigAnaRecord", "module_path": "wf_dagster.records", "kwargs": {}},
        ],
    }


def roll(month: str, fail: str = "") -> Roll:
    """The task of a month as a roll."""
    task = task_of(month, fail)
    segments = {
        name: tuple(pd.Timestamp(end) for end in pair)
        for name, pair in task["dataset"]["kwargs"]["segments"].items()
    }
    return Roll(key=month, task=task, segments=segments)


def is_running(process: int | psutil.Process) -> bool:
    """Whether a process has not ended.

    A zombie has: it stays in the list until its parent asks for it, which the first process of
    a container may never do.
    """
    try:
        process = psutil.Process(process) if isinstance(process, int) else process
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_ends(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until processes have ended; returns those that are still running then."""
    deadline = time.monotonic() + seconds
    while (running := [p for p in processes if is_running(p)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return running
