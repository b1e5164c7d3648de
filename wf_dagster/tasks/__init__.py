"""Tasks: their format, their fingerprint, and how a template becomes rolls."""

from wf_dagster.tasks.config import fill_placeholders, find_class, init_instance, locate
from wf_dagster.tasks.due import due_session, why_not_due
from wf_dagster.tasks.fingerprint import canonical_json, fingerprint
from wf_dagster.tasks.generators import TaskGen, task_generator
from wf_dagster.tasks.handlers import handler_mod
from wf_dagster.tasks.horizons import MultiHorizonGen, MultiHorizonGenBase
from wf_dagster.tasks.labels import label_horizon, label_reach
from wf_dagster.tasks.modules import modules_named
from wf_dagster.tasks.rolling import AS_OF, WARM_START, RollingGen
from wf_dagster.tasks.rolls import Roll, Rolls
from wf_dagster.tasks.schema import record_config, validate_task
from wf_dagster.tasks.templates import template_fingerprint

__all__ = [
    "AS_OF",
    "WARM_START",
    "MultiHorizonGen",
    "MultiHorizonGenBase",
    "Roll",
    "RollingGen",
    "Rolls",
    "TaskGen",
    "canonical_json",
    "due_session",
    "fill_placeholders",
    "find_class",
    "fingerprint",
    "handler_mod",
    "init_instance",
    "label_horizon",
    "label_reach",
    "locate",
    "modules_named",
    "record_config",
    "task_generator",
    "template_fingerprint",
    "validate_task",
    "why_not_due",
]
