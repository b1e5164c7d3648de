"""The names of ``qlib.workflow.task.collect``."""

from wf_dagster.collect import Collector, MergeCollector, RecorderCollector
from wf_dagster.compat.mirrored_names import qlib_names

__all__ = ["Collector", "MergeCollector", "RecorderCollector"]

__getattr__ = qlib_names(__name__)
