"""Train tasks: one at a time, or the rolls of a strategy in parallel worker processes."""

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
    "run_pool_tasks",
    "run_rolls",
    "run_rolls_in_pool",
    "task_train",
    "train_rolls",
    "workers_for",
]
