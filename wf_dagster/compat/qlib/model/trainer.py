"""The names of ``qlib.model.trainer``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.training import (
    DelayTrainerR,
    DelayTrainerRM,
    Trainer,
    TrainerR,
    TrainerRM,
    begin_task_train,
    end_task_train,
    task_train,
)

__all__ = [
    "DelayTrainerR",
    "DelayTrainerRM",
    "Trainer",
    "TrainerR",
    "TrainerRM",
    "begin_task_train",
    "end_task_train",
    "task_train",
]

__getattr__ = qlib_names(__name__)
