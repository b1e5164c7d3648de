"""The names of ``qlib.workflow.exp``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.tracking import Experiment, MLflowExperiment

__all__ = ["Experiment", "MLflowExperiment"]

__getattr__ = qlib_names(__name__)
