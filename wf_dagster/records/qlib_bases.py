"""This project's records as Qlib's, for what asks ``issubclass``: Qlib's ``Rolling`` does.

Qlib is not imported for that. When its record module is imported, by whoever needs it, Qlib's
classes are put behind those of this project, as their last bases: what a record does here stays,
and subclasses of users follow. A metaclass with an ``mro`` of its own would change these classes
for those too who have no Qlib, and would have to be told of Qlib's import in the same way.
"""

from __future__ import annotations

from wf_dagster.imports.after_import import add_base_after_import
from wf_dagster.qlib_bridge.qlib_classes import RECORDS
from wf_dagster.records.port_ana import PortAnaRecord
from wf_dagster.records.record_template import DependentRecord, RecordTemplate
from wf_dagster.records.sig_ana import SigAnaRecord
from wf_dagster.records.signal import SignalRecord

# by the names of Qlib's classes, bases before what is derived from them
_COUNTERPARTS: dict[str, type[RecordTemplate]] = {
    "RecordTemp": RecordTemplate,
    "SignalRecord": SignalRecord,
    "ACRecordTemp": DependentRecord,
    "SigAnaRecord": SigAnaRecord,
    "PortAnaRecord": PortAnaRecord,
}


def add_qlib_bases() -> None:
    """Put Qlib's classes behind this project's, once Qlib's record module is imported."""
    for name, kind in _COUNTERPARTS.items():
        add_base_after_import(kind, RECORDS, name)
