"""The names of ``qlib.workflow.recorder``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.tracking import MLflowRecorder, Recorder

__all__ = ["MLflowRecorder", "Recorder"]

__getattr__ = qlib_names(__name__)
