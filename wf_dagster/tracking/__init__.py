"""Experiments and recorders, kept in MLflow: the only room that knows it."""

from wf_dagster.tracking.dead_runs import (
    DeadRun,
    end_runs_of,
    find_dead,
    holder,
    sweep,
    sweep_children,
)
from wf_dagster.tracking.experiment import Experiment
from wf_dagster.tracking.experiment_manager import ExpManager, MLflowExpManager, find_recorders
from wf_dagster.tracking.experiment_owner import Owner, claim_experiment, read_owner, write_owner
from wf_dagster.tracking.facade import QlibRecorder, R
from wf_dagster.tracking.mlflow_experiment import MLflowExperiment
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.parent_run import parent_of, parent_run, set_parent
from wf_dagster.tracking.process_exit import end_open_recorders
from wf_dagster.tracking.qlib_bases import add_qlib_bases
from wf_dagster.tracking.recorder import Recorder
from wf_dagster.tracking.recorder_of_kind import (
    create_recorder_of_kind,
    find_recorder_of_kind,
    start_recorder_of_kind,
)
from wf_dagster.tracking.start_options import RecorderOptions, StartOptions
from wf_dagster.tracking.store import check_tracking, client_modules, run_url
from wf_dagster.tracking.tracking_settings import lock_folder, trusted_modules

__all__ = [
    "DeadRun",
    "ExpManager",
    "Experiment",
    "MLflowExpManager",
    "MLflowExperiment",
    "MLflowRecorder",
    "Owner",
    "QlibRecorder",
    "R",
    "Recorder",
    "RecorderOptions",
    "StartOptions",
    "check_tracking",
    "claim_experiment",
    "client_modules",
    "create_recorder_of_kind",
    "end_open_recorders",
    "end_runs_of",
    "find_dead",
    "find_recorder_of_kind",
    "find_recorders",
    "holder",
    "lock_folder",
    "parent_of",
    "parent_run",
    "read_owner",
    "run_url",
    "set_parent",
    "start_recorder_of_kind",
    "sweep",
    "sweep_children",
    "trusted_modules",
    "write_owner",
]

add_qlib_bases()
