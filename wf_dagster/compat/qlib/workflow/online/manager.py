"""The names of ``qlib.workflow.online.manager``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.online import OnlineManager

__all__ = ["OnlineManager"]

__getattr__ = qlib_names(__name__)
