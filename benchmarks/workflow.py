"""The same names from this project and from Qlib, so that a job is written once."""

from __future__ import annotations

import importlib
import os
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.sides import HERE, QLIB, Answer

EXPERIMENT = "bench"
_HERE = {
    "OnlineManager": "wf_dagster.online",
    "OnlineToolR": "wf_dagster.online",
    "R": "wf_dagster.tracking",
    "RecorderCollector": "wf_dagster.collect",
    "RollingGen": "wf_dagster.rolling",
    "RollingGroup": "wf_dagster.collect",
    "RollingStrategy": "wf_dagster.online",
    "TrainerR": "wf_dagster.training",
    "task_generator": "wf_dagster.rolling",
}
_QLIB = {
    "OnlineManager": "qlib.workflow.online.manager",
    "OnlineToolR": "qlib.workflow.online.utils",
    "R": "qlib.workflow",
    "RecorderCollector": "qlib.workflow.task.collect",
    "RollingGen": "qlib.workflow.task.gen",
    "RollingGroup": "qlib.model.ens.group",
    "RollingStrategy": "qlib.workflow.online.strategy",
    "TrainerR": "qlib.model.trainer",
    "task_generator": "qlib.workflow.task.gen",
}

_LATER = (  # what they import once they work
    "alembic.command",
    "mlflow.store.tracking.sqlalchemy_store",
    "qlib.contrib.data.handler",
    "qlib.contrib.model.gbdt",
    "qlib.contrib.model.linear",
    "qlib.workflow.record_temp",
    "wf_dagster.qlib_bridge.adapter",
    "wf_dagster.training.worker",
)


def workflow(side: str, home: str, provider: str = "") -> Any:
    """The workflow of a side, ready to work; imports are no part of a measurement.

    Args:
        side: ``"here"`` or ``"qlib"``.
        home: Folder of its state, with a SQLite store.
        provider: Folder of Qlib-format prices, if there are any.
    """
    warnings.simplefilter("ignore")
    os.chdir(home)  # Qlib puts artifacts where it stands
    at = _names(_HERE if side == HERE else _QLIB)
    (_start_here if side == HERE else _start_qlib)(home, provider)
    at.R.get_exp(experiment_name=EXPERIMENT)  # the store is open
    return at


def store_of(side: str, home: str) -> Path:
    """The SQLite file with the recorders of a side."""
    return Path(home, "mlflow.db" if side == HERE else "qlib.db")


def make_store(file: str) -> Answer:
    """Make the tables of an MLflow store."""
    from mlflow.tracking import MlflowClient

    MlflowClient(f"sqlite:///{file}").search_experiments()
    return {}


def preload() -> None:
    """Import what both sides need, for processes that are forked from this one."""
    for where in (_HERE, _QLIB):
        _names(where)
    for module in _LATER:
        importlib.import_module(module)


def _names(where: dict[str, str]) -> Any:
    return SimpleNamespace(
        **{name: getattr(importlib.import_module(module), name) for name, module in where.items()}
    )


def _start_here(home: str, provider: str) -> None:
    import wf_dagster

    wf_dagster.init(home=home)
    if provider:
        from wf_dagster.market import Market
        from wf_dagster.qlib_bridge import session

        wf_dagster.init(home=home, qlib_provider_uri=provider, qlib_region="us")
        session.ensure(Market().qlib_options)


def _start_qlib(home: str, provider: str) -> None:
    import qlib

    store = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": f"sqlite:///{store_of(QLIB, home)}", "default_exp_name": EXPERIMENT},
    }
    qlib.init(provider_uri=provider or home, region="us", exp_manager=store)
