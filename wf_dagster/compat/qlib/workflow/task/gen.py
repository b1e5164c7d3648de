"""The names of ``qlib.workflow.task.gen``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.rolling import (
    MultiHorizonGenBase,
    RollingGen,
    TaskGen,
    handler_mod,
    task_generator,
    trunc_segments,
)

__all__ = [
    "MultiHorizonGenBase",
    "RollingGen",
    "TaskGen",
    "handler_mod",
    "task_generator",
    "trunc_segments",
]

__getattr__ = qlib_names(__name__)
