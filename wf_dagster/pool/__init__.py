"""The task pool: each task is used once, by whichever worker comes first."""

from wf_dagster.pool.manager import TaskManager
from wf_dagster.pool.run import run_each, run_task

__all__ = ["TaskManager", "run_each", "run_task"]
