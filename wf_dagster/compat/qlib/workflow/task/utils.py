"""The names of ``qlib.workflow.task.utils``."""

from wf_dagster.collect import list_recorders
from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.pool import get_mongodb
from wf_dagster.rolling import TimeAdjuster
from wf_dagster.training import replace_task_handler_with_cache

__all__ = ["TimeAdjuster", "get_mongodb", "list_recorders", "replace_task_handler_with_cache"]

__getattr__ = qlib_names(__name__)
