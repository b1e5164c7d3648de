"""The same names from this project and from Qlib, so that a job is written once."""

from __future__ import annotations

import os
import warnings
from types import SimpleNamespace
from typing import Any

from benchmarks.sides import HERE

EXPERIMENT = "bench"


def workflow(side: str, home: str, provider: str = "") -> Any:
    """The workflow of a side, ready to work; imports are no part of a measurement.

    Args:
        side: ``"here"`` or ``"qlib"``.
        home: Folder of its state, with a SQLite store.
        provider: Folder of Qlib-format prices, if there are any.
    """
    warnings.simplefilter("ignore")
    os.chdir(home)  # Qlib puts artifacts where it stands
    return (_here if side == HERE else _qlib)(home, provider)


def _here(home: str, provider: str) -> Any:
    import wf_dagster
    from wf_dagster import collect, online, tasks, tracking, training

    wf_dagster.init(home=home)
    if provider:
        from wf_dagster.interop import session

        wf_dagster.init(home=home, qlib_provider_uri=provider, qlib_region="us")
        session.ensure()
    tracking.R.get_exp(experiment_name=EXPERIMENT)
    return SimpleNamespace(
        OnlineManager=online.OnlineManager,
        OnlineToolR=online.OnlineToolR,
        R=tracking.R,
        RecorderCollector=collect.RecorderCollector,
        RollingGen=tasks.RollingGen,
        RollingGroup=collect.RollingGroup,
        RollingStrategy=online.RollingStrategy,
        TrainerR=training.TrainerR,
        task_generator=tasks.task_generator,
    )


def _qlib(home: str, provider: str) -> Any:
    import qlib
    from qlib.model.ens import group
    from qlib.model.trainer import TrainerR
    from qlib.workflow import R
    from qlib.workflow.online import manager, strategy, utils
    from qlib.workflow.task import collect, gen

    store = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": f"sqlite:///{home}/qlib.db", "default_exp_name": EXPERIMENT},
    }
    qlib.init(provider_uri=provider or home, region="us", exp_manager=store)
    R.get_exp(experiment_name=EXPERIMENT)
    return SimpleNamespace(
        OnlineManager=manager.OnlineManager,
        OnlineToolR=utils.OnlineToolR,
        R=R,
        RecorderCollector=collect.RecorderCollector,
        RollingGen=gen.RollingGen,
        RollingGroup=group.RollingGroup,
        RollingStrategy=strategy.RollingStrategy,
        TrainerR=TrainerR,
        task_generator=gen.task_generator,
    )
