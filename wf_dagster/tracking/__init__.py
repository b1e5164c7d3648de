"""Experiments and recorders, kept in MLflow: the only room that knows it."""

from wf_dagster.tracking.experiment import Experiment, MLflowExperiment
from wf_dagster.tracking.facade import QlibRecorder, R
from wf_dagster.tracking.manager import ExpManager, MLflowExpManager, find_recorders
from wf_dagster.tracking.parent import parent_of, parent_run
from wf_dagster.tracking.recorder import MLflowRecorder, Recorder
from wf_dagster.tracking.store import check_tracking, client_modules, run_url

__all__ = [
    "ExpManager",
    "Experiment",
    "MLflowExpManager",
    "MLflowExperiment",
    "MLflowRecorder",
    "QlibRecorder",
    "R",
    "Recorder",
    "check_tracking",
    "client_modules",
    "find_recorders",
    "parent_of",
    "parent_run",
    "run_url",
]
