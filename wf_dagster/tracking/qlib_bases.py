"""What Qlib takes for its own: recorders, experiments and errors of ours, once Qlib is imported."""

from __future__ import annotations

from wf_dagster.errors import LoadObjectError
from wf_dagster.imports.after_import import add_base_after_import
from wf_dagster.tracking.experiment import Experiment
from wf_dagster.tracking.experiment_manager import ExpManager
from wf_dagster.tracking.recorder import Recorder


def add_qlib_bases() -> None:
    """Let our classes be Qlib's too, for its ``isinstance`` and ``except``, once it is imported."""
    add_base_after_import(LoadObjectError, "qlib.utils.exceptions", "LoadObjectError")
    add_base_after_import(Recorder, "qlib.workflow.recorder", "Recorder")
    add_base_after_import(Experiment, "qlib.workflow.exp", "Experiment")
    add_base_after_import(ExpManager, "qlib.workflow.expm", "ExpManager")
