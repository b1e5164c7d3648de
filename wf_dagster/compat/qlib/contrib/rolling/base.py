"""The names of ``qlib.contrib.rolling.base``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.workflows import Rolling

__all__ = ["Rolling"]

__getattr__ = qlib_names(__name__)
