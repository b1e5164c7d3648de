"""The names of ``qlib.workflow.online.utils``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.online import OnlineTool, OnlineToolR

__all__ = ["OnlineTool", "OnlineToolR"]

__getattr__ = qlib_names(__name__)
