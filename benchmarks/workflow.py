"""The same names from this project and from Qlib, so that a job is written once."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

from benchmarks.sides import HERE

EXPERIMENT = "bench"


def workflow(side: str, provider: str, home: str) -> Any:
    """The workflow of a side, ready to work.

    Args:
        side: ``"here"`` or ``"qlib"``.
        provider: Folder of Qlib-format prices.
        home: Folder of its state, with a SQLite store.
    """
    warnings.simplefilter("ignore")
    return (_here if side == HERE else _qlib)(provider, home)


def _here(provider: str, home: str) -> Any:
    import wf_dagster
    from wf_dagster import collect, online, tasks, tracking, training
    from wf_dagster.interop import session

    wf_dagster.init(home=home, qlib_provider_uri=provider, qlib_region="us")
    session.ensure()  # Qlib's import and qlib.init are no part of a measurement, on either side
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


def _qlib(provider: str, home: str) -> Any:
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
    qlib.init(provider_uri=provider, region="us", exp_manager=store)
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
