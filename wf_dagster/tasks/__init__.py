"""Tasks: their format, their fingerprint, and how a template becomes rolls."""

from wf_dagster.tasks.config import fill_placeholders, init_instance, locate
from wf_dagster.tasks.fingerprint import canonical_json, fingerprint
from wf_dagster.tasks.generators import TaskGen, task_generator
from wf_dagster.tasks.handlers import handler_mod
from wf_dagster.tasks.horizons import MultiHorizonGen, MultiHorizonGenBase
from wf_dagster.tasks.labels import label_horizon
from wf_dagster.tasks.modules import modules_named
from wf_dagster.tasks.rolling import WARM_START, RollingGen
from wf_dagster.tasks.rolls import Roll, Rolls
from wf_dagster.tasks.schema import record_config, validate_task

__all__ = [
    "WARM_START",
    "MultiHorizonGen",
    "MultiHorizonGenBase",
    "Roll",
    "RollingGen",
    "Rolls",
    "TaskGen",
    "canonical_json",
    "fill_placeholders",
    "fingerprint",
    "handler_mod",
    "init_instance",
    "label_horizon",
    "locate",
    "modules_named",
    "record_config",
    "task_generator",
    "validate_task",
]
