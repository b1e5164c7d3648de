"""Train tasks: one at a time, or the rolls of a strategy in parallel worker processes."""

from typing import TYPE_CHECKING

from wf_dagster.imports.lazy_names import lazy_names

if TYPE_CHECKING:
    from wf_dagster.training.handler_files import replace_task_handler_with_cache
    from wf_dagster.training.parallel import run_rolls, train_rolls, workers_for
    from wf_dagster.training.pool_jobs import PoolJob
    from wf_dagster.training.pool_rolls import run_rolls_in_pool
    from wf_dagster.training.pool_tasks import run_pool_tasks
    from wf_dagster.training.pool_trainers import DelayTrainerRM, TrainerRM
    from wf_dagster.training.refresh import refresh_analysis, refresh_recorder
    from wf_dagster.training.roll_jobs import JobKind, RollJob, RollOutcome
    from wf_dagster.training.task import DATA_UNTIL, begin_task_train, end_task_train, task_train
    from wf_dagster.training.trained_rolls import RollRecognition, find_trained_rolls
    from wf_dagster.training.trainers import DelayTrainerR, Trainer, TrainerR
    from wf_dagster.training.workers import prepare_workers

__all__ = [
    "DATA_UNTIL",
    "DelayTrainerR",
    "DelayTrainerRM",
    "JobKind",
    "PoolJob",
    "RollJob",
    "RollOutcome",
    "RollRecognition",
    "Trainer",
    "TrainerR",
    "TrainerRM",
    "begin_task_train",
    "end_task_train",
    "find_trained_rolls",
    "prepare_workers",
    "refresh_analysis",
    "refresh_recorder",
    "replace_task_handler_with_cache",
    "run_pool_tasks",
    "run_rolls",
    "run_rolls_in_pool",
    "task_train",
    "train_rolls",
    "workers_for",
]

# they are slow to import, and a task is described without them
__getattr__ = lazy_names(
    __name__,
    {
        "DATA_UNTIL": "task",
        "DelayTrainerR": "trainers",
        "DelayTrainerRM": "pool_trainers",
        "JobKind": "roll_jobs",
        "PoolJob": "pool_jobs",
        "RollJob": "roll_jobs",
        "RollOutcome": "roll_jobs",
        "RollRecognition": "trained_rolls",
        "Trainer": "trainers",
        "TrainerR": "trainers",
        "TrainerRM": "pool_trainers",
        "begin_task_train": "task",
        "end_task_train": "task",
        "find_trained_rolls": "trained_rolls",
        "prepare_workers": "workers",
        "refresh_analysis": "refresh",
        "refresh_recorder": "refresh",
        "replace_task_handler_with_cache": "handler_files",
        "run_pool_tasks": "pool_tasks",
        "run_rolls": "parallel",
        "run_rolls_in_pool": "pool_rolls",
        "task_train": "task",
        "train_rolls": "parallel",
        "workers_for": "parallel",
    },
)
