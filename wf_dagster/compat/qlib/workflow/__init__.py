"""The names of ``qlib.workflow``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.tracking import Experiment, ExpManager, QlibRecorder, R, Recorder
from wf_dagster.tracking.facade import RecorderWrapper

__all__ = ["ExpManager", "Experiment", "QlibRecorder", "R", "Recorder", "RecorderWrapper"]

__getattr__ = qlib_names(__name__)
