"""The names of ``qlib.workflow.expm``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.tracking import ExpManager, MLflowExpManager

__all__ = ["ExpManager", "MLflowExpManager"]

__getattr__ = qlib_names(__name__)
