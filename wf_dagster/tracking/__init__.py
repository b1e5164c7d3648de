"""Experiments and recorders, kept in MLflow: the only room that knows it."""

from wf_dagster.tracking.addresses import run_url
from wf_dagster.tracking.dead import DeadRun, end_runs_of, find_dead, holder, sweep, sweep_children
from wf_dagster.tracking.exits import end_open_recorders
from wf_dagster.tracking.experiment import Experiment
from wf_dagster.tracking.facade import QlibRecorder, R
from wf_dagster.tracking.manager import ExpManager, MLflowExpManager, find_recorders
from wf_dagster.tracking.mlflow_experiment import MLflowExperiment
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.parent import parent_of, parent_run
from wf_dagster.tracking.recorder import Recorder
from wf_dagster.tracking.store import check_tracking, client_modules

__all__ = [
    "DeadRun",
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
    "end_open_recorders",
    "end_runs_of",
    "find_dead",
    "find_recorders",
    "holder",
    "parent_of",
    "parent_run",
    "run_url",
    "sweep",
    "sweep_children",
]
