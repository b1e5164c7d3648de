"""This project's records as Qlib's, for what asks ``issubclass``: Qlib's ``Rolling`` does.

Qlib is not imported for that. When its record module is imported, by whoever needs it, Qlib's
classes are put behind those of this project, as their last bases: what a record does here stays,
and subclasses of users follow. A metaclass with an ``mro`` of its own would change these classes
for those too who have no Qlib, and would have to be told of Qlib's import in the same way.
"""

from __future__ import annotations

import logging
import sys

from wf_dagster.imports.after_import import call_after_import
from wf_dagster.imports.own_names import own_attribute
from wf_dagster.qlib_bridge.qlib_classes import RECORDS
from wf_dagster.records.port_ana import PortAnaRecord
from wf_dagster.records.record_template import DependentRecord, RecordTemplate
from wf_dagster.records.sig_ana import SigAnaRecord
from wf_dagster.records.signal import SignalRecord

_log = logging.getLogger(__name__)

# by the names of Qlib's classes, bases before what is derived from them
_COUNTERPARTS: dict[str, type[RecordTemplate]] = {
    "RecordTemp": RecordTemplate,
    "SignalRecord": SignalRecord,
    "ACRecordTemp": DependentRecord,
    "SigAnaRecord": SigAnaRecord,
    "PortAnaRecord": PortAnaRecord,
}


def add_qlib_bases() -> None:
    """Put Qlib's classes behind this project's; Qlib's record module has been imported."""
    module = sys.modules[RECORDS]
    for name, kind in _COUNTERPARTS.items():
        base = own_attribute(module, name)
        if issubclass(kind, base):
            continue
        try:
            kind.__bases__ = (*kind.__bases__, base)
        except TypeError as error:  # a user's class has both as its bases, Qlib's first
            _log.warning("%s does not count as Qlib's %s: %s", kind.__name__, name, error)


def watch_qlib() -> None:
    """Do so when Qlib's record module is imported, or now."""
    call_after_import(RECORDS, add_qlib_bases)
