"""The names of ``qlib.workflow.task.manage``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.pool import TaskManager, run_task

__all__ = ["TaskManager", "run_task"]

__getattr__ = qlib_names(__name__)
