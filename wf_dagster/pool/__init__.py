"""The task pool: each task is used once, by whichever worker comes first."""

from wf_dagster.pool.mongo_database import get_mongodb
from wf_dagster.pool.task_manager import TaskManager
from wf_dagster.pool.task_runner import run_each, run_task

__all__ = ["TaskManager", "get_mongodb", "run_each", "run_task"]
