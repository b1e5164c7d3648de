"""The names of ``qlib.workflow.record_temp``.

``PortAnaRecord``, ``MultiPassPortAnaRecord`` and ``HFSignalRecord`` are Qlib's own, whose numbers
are of Qlib's backtest, and keep their results in this project's recorders.
"""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.records import SigAnaRecord, SignalRecord

__all__ = ["SigAnaRecord", "SignalRecord"]

__getattr__ = qlib_names(__name__)
