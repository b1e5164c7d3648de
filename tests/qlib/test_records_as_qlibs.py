"""This project's records where Qlib asks whether a record is one of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

NAMES = {
    "RecordTemp": "RecordTemp",
    "ACRecordTemp": "ACRecordTemp",
    "SignalRecord": "SignalRecord",
    "SigAnaRecord": "SigAnaRecord",
    "PortAnaRecord": "PortAnaRecord",
}
ORDERS = {
    "ours_first": "import wf_dagster.records as ours\nimport qlib.workflow.record_temp as theirs",
    "qlib_first": "import qlib.workflow.record_temp as theirs\nimport wf_dagster.records as ours",
    "by_the_whole_package": (
        "from wf_dagster import SignalRecord\nimport wf_dagster.records as ours\n"
        "import qlib.contrib.rolling.base\nimport qlib.workflow.record_temp as theirs"
    ),
}
ASKS = """
class Mine(ours.SigAnaRecord):
    pass
for name in {names}:
    assert issubclass(getattr(ours, name), getattr(theirs, name)), name
assert issubclass(Mine, theirs.ACRecordTemp)
assert not issubclass(ours.SigAnaRecord, theirs.SignalRecord)
assert not issubclass(theirs.SignalRecord, ours.SignalRecord)
# what they do is what this project's classes do
assert ours.SignalRecord.generate.__module__ == "wf_dagster.records.signal"
assert ours.SigAnaRecord.check.__module__ == "wf_dagster.records.record_template"
assert ours.PortAnaRecord.load.__module__ == "wf_dagster.records.record_template"
from wf_dagster.qlib_bridge.qlib_classes import is_qlib
assert not any(is_qlib(getattr(ours, name)) for name in {names}) and not is_qlib(Mine)
assert is_qlib(theirs.SignalRecord)
assert ours.MultiPassPortAnaRecord is theirs.MultiPassPortAnaRecord
assert ours.HFSignalRecord is theirs.HFSignalRecord
"""


def run_python(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.mark.parametrize("order", ORDERS)
def test_records_are_qlibs_whichever_is_imported_first(order):
    run_python(ORDERS[order] + ASKS.format(names=list(NAMES)))


def test_a_users_class_that_was_derived_before_qlib_came_follows():
    run_python(
        "from wf_dagster.records import SignalRecord\n"
        "class Mine(SignalRecord): pass\n"
        "from qlib.workflow.record_temp import SignalRecord as Theirs\n"
        "assert issubclass(Mine, Theirs)"
    )


def test_qlib_is_not_imported_for_it():
    run_python(
        "import sys\nimport wf_dagster.records\n"
        "assert not any(name.partition('.')[0] == 'qlib' for name in sys.modules)"
    )
