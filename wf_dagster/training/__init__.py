"""Train tasks: one at a time, or the rolls of a strategy in parallel worker processes."""

from wf_dagster.training.outcome import RollOutcome, Work, WorkKind
from wf_dagster.training.parallel import train_rolls, work_through, workers_for
from wf_dagster.training.pool_rolls import work_through_shared
from wf_dagster.training.pool_trainers import DelayTrainerRM, TrainerRM
from wf_dagster.training.pool_work import PoolJob, work_through_pool
from wf_dagster.training.processes import prepare_workers
from wf_dagster.training.refresh import refresh_analysis, refresh_recorder
from wf_dagster.training.task import DATA_UNTIL, begin_task_train, end_task_train, task_train
from wf_dagster.training.trainers import DelayTrainerR, Trainer, TrainerR

__all__ = [
    "DATA_UNTIL",
    "DelayTrainerR",
    "DelayTrainerRM",
    "PoolJob",
    "RollOutcome",
    "Trainer",
    "TrainerR",
    "TrainerRM",
    "Work",
    "WorkKind",
    "begin_task_train",
    "end_task_train",
    "prepare_workers",
    "refresh_analysis",
    "refresh_recorder",
    "task_train",
    "train_rolls",
    "work_through",
    "work_through_pool",
    "work_through_shared",
    "workers_for",
]
