"""The names of ``qlib.workflow.record_temp``.

``PortAnaRecord``, ``MultiPassPortAnaRecord`` and ``HFSignalRecord`` are Qlib's own, whose numbers
are of Qlib's backtest, and keep their results in this project's recorders.
"""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.compat.records import SigAnaRecord
from wf_dagster.records import ACRecordTemp, RecordTemp, SignalRecord

__all__ = ["ACRecordTemp", "RecordTemp", "SigAnaRecord", "SignalRecord"]

__getattr__ = qlib_names(__name__)
