"""Train tasks: one at a time, or the rolls of a strategy in parallel worker processes."""

from wf_dagster.training.outcome import RollOutcome, Work, WorkKind
from wf_dagster.training.parallel import train_rolls, work_through, workers_for
from wf_dagster.training.pool import prepare_workers
from wf_dagster.training.refresh import refresh_recorder
from wf_dagster.training.task import task_train

__all__ = [
    "RollOutcome",
    "Work",
    "WorkKind",
    "prepare_workers",
    "refresh_recorder",
    "task_train",
    "train_rolls",
    "work_through",
    "workers_for",
]
