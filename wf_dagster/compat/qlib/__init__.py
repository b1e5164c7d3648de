"""The names of ``qlib``."""

from wf_dagster.compat.mirrored_names import qlib_names

__all__: list[str] = []

__getattr__ = qlib_names(__name__)
