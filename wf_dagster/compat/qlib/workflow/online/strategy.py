"""The names of ``qlib.workflow.online.strategy``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.online import OnlineStrategy, RollingStrategy

__all__ = ["OnlineStrategy", "RollingStrategy"]

__getattr__ = qlib_names(__name__)
