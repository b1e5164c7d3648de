"""The names of ``qlib.model.ens.group``."""

from wf_dagster.collect import Group, RollingGroup
from wf_dagster.compat.mirrored_names import qlib_names

__all__ = ["Group", "RollingGroup"]

__getattr__ = qlib_names(__name__)
