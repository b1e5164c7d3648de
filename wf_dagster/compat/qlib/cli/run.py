"""The names of ``qlib.cli.run``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.workflows import workflow

__all__ = ["workflow"]

__getattr__ = qlib_names(__name__)
