"""The names of Qlib's modules under ``wf_dagster.compat.qlib``, with and without Qlib."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.util import find_spec

import pytest

import wf_dagster
from wf_dagster.compat.mirrored_names import MIRROR, mirrored_modules, mirrored_names
from wf_dagster.errors import MissingExtraError

MODULES = sorted(mirrored_modules())
WITHOUT_QLIB = """
import importlib, sys
sys.modules["qlib"] = None
from wf_dagster.compat.mirrored_names import mirrored_modules
for name in sorted(mirrored_modules()):
    mirror = importlib.import_module("wf_dagster.compat." + name)
    assert all(hasattr(mirror, key) for key in mirror.__all__), name
from wf_dagster.compat.qlib.workflow.task.gen import RollingGen
from wf_dagster.compat.qlib.workflow import R
assert not [name for name in sys.modules if name.startswith("qlib.")]
"""


def test_the_names_are_those_of_this_project():
    from wf_dagster.compat.qlib.contrib.rolling.base import Rolling
    from wf_dagster.compat.qlib.model.ens.ensemble import RollingEnsemble
    from wf_dagster.compat.qlib.model.trainer import TrainerR
    from wf_dagster.compat.qlib.workflow import R
    from wf_dagster.compat.qlib.workflow.online.manager import OnlineManager
    from wf_dagster.compat.qlib.workflow.record_temp import SigAnaRecord
    from wf_dagster.compat.qlib.workflow.task.gen import RollingGen
    from wf_dagster.workflows import Rolling as OwnRolling

    assert R is wf_dagster.R
    assert Rolling is OwnRolling
    assert RollingGen is wf_dagster.RollingGen
    assert TrainerR is wf_dagster.TrainerR
    assert OnlineManager is wf_dagster.OnlineManager
    assert RollingEnsemble is wf_dagster.RollingEnsemble
    assert issubclass(SigAnaRecord, wf_dagster.SigAnaRecord)


def test_nothing_of_qlib_is_needed_for_them():
    run = subprocess.run([sys.executable, "-c", WITHOUT_QLIB], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]


def test_without_qlib_what_is_its_own_asks_for_it():
    code = (
        "import sys; sys.modules['qlib'] = None\n"
        "from wf_dagster.compat.qlib.workflow.record_temp import PortAnaRecord"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert 'pip install "wf-dagster[qlib]"' in run.stderr
    assert "qlib.workflow.record_temp.PortAnaRecord needs qlib" in run.stderr


@pytest.mark.skipif(find_spec("torch") is not None, reason="PyTorch is installed")
def test_without_pytorch_its_class_asks_for_it():
    pytest.importorskip("qlib", reason="pyqlib is not installed: the extra 'qlib'")
    with pytest.raises(MissingExtraError, match="DDGDA needs torch"):
        from wf_dagster.compat.qlib.contrib.rolling.ddgda import DDGDA  # noqa: F401


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_one_of_qlibs(module):
    pytest.importorskip("qlib", reason="pyqlib is not installed: the extra 'qlib'")
    names = mirrored_names(module)
    if names:
        theirs = importlib.import_module(module)
        assert [name for name in names if not hasattr(theirs, name)] == []


def test_what_is_not_there_is_qlibs_own():
    record_temp = pytest.importorskip("qlib.workflow.record_temp")
    mirror = importlib.import_module(f"{MIRROR}.workflow.record_temp")
    assert mirror.PortAnaRecord is record_temp.PortAnaRecord
    with pytest.raises(ImportError, match="NoSuchRecord"):
        from wf_dagster.compat.qlib.workflow.record_temp import NoSuchRecord  # noqa: F401
