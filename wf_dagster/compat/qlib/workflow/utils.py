"""The names of ``qlib.workflow.utils``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.compat.process_end import experiment_exception_hook, experiment_exit_handler

__all__ = ["experiment_exception_hook", "experiment_exit_handler"]

__getattr__ = qlib_names(__name__)
