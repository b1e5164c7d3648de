"""The task format: schema, configurations of objects, placeholders, fingerprint."""

from wf_dagster.tasks.config import fill_placeholders, find_class, init_instance, locate
from wf_dagster.tasks.fingerprint import canonical_json, fingerprint
from wf_dagster.tasks.label_functions import label_horizon, label_reach
from wf_dagster.tasks.look_ahead import looks_ahead
from wf_dagster.tasks.modules import modules_named
from wf_dagster.tasks.predicted_labels import find_label, predicted_label
from wf_dagster.tasks.schema import (
    AS_OF,
    TRUNC_DAYS,
    WARM_START,
    Task,
    record_config,
    validate_task,
)

__all__ = [
    "AS_OF",
    "TRUNC_DAYS",
    "WARM_START",
    "Task",
    "canonical_json",
    "fill_placeholders",
    "find_class",
    "find_label",
    "fingerprint",
    "init_instance",
    "label_horizon",
    "label_reach",
    "locate",
    "looks_ahead",
    "modules_named",
    "predicted_label",
    "record_config",
    "validate_task",
]
