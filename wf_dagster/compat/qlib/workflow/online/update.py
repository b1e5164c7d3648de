"""The names of ``qlib.workflow.online.update``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.online import DSBasedUpdater, LabelUpdater, PredUpdater, RecordUpdater, RMDLoader

__all__ = ["DSBasedUpdater", "LabelUpdater", "PredUpdater", "RMDLoader", "RecordUpdater"]

__getattr__ = qlib_names(__name__)
