"""``import wf_dagster.compat.install``: Qlib's modules give this project's classes, until undone.

Each script runs in a process of its own, as what it changes is the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.qlib.provider import seeded_panel, write_provider

ROOT = Path(__file__).parents[2]
pytest.importorskip("qlib", reason="pyqlib is not installed: the extra 'qlib'")
pytestmark = pytest.mark.integration

BEFORE_QLIB = """
import sys
import wf_dagster.compat.install
assert not [name for name in sys.modules if name.partition(".")[0] == "qlib"]

import qlib.workflow.task.gen
from qlib.contrib.model.gbdt import R as R_OF_A_MODEL
from qlib.model.trainer import TrainerR
from qlib.workflow import R, Recorder
from qlib.workflow.online.manager import OnlineManager
from qlib.workflow.record_temp import ACRecordTemp, PortAnaRecord, SigAnaRecord, SignalRecord
from qlib.workflow.task.gen import RollingGen
import inspect
import wf_dagster as ours
from wf_dagster.compat.records import SigAnaRecord as OurSigAnaRecord
from wf_dagster.imports.own_names import own_name
from wf_dagster.tasks import locate

assert R is R_OF_A_MODEL is qlib.workflow.R is ours.R
assert (TrainerR, OnlineManager, RollingGen) == (ours.TrainerR, ours.OnlineManager, ours.RollingGen)
assert (SignalRecord, SigAnaRecord, Recorder) == (ours.SignalRecord, OurSigAnaRecord, ours.Recorder)
assert PortAnaRecord.__module__ == "qlib.workflow.record_temp"  # its figures are of Qlib's backtest
# what was made of Qlib's own stays of Qlib's own, and what asks for that gets it
assert [base.__module__ for base in PortAnaRecord.__mro__[:3]] == ["qlib.workflow.record_temp"] * 3
assert locate("qlib.workflow.record_temp.SignalRecord") is own_name(
    "qlib.workflow.record_temp", "SignalRecord"
)
assert locate("qlib.workflow.record_temp.SignalRecord").__module__ == "qlib.workflow.record_temp"
assert "class RollingGen" in inspect.getsource(qlib.workflow.task.gen)  # its loader is Python's own

# Qlib's records measure as Qlib does; who asks for the function gets this project's
from qlib.contrib.eva.alpha import calc_ic
assert qlib.workflow.record_temp.calc_ic.__module__ == "qlib.contrib.eva.alpha"
assert calc_ic.__module__ == "wf_dagster.records.signal_metrics"

finders = len(sys.meta_path)
wf_dagster.compat.install.install()
assert len(sys.meta_path) == finders  # once is enough

wf_dagster.compat.install.undo()
from qlib.workflow import R as QLIB_R
from qlib.workflow.task.gen import RollingGen
assert type(QLIB_R).__module__ == "qlib.workflow"
assert RollingGen.__module__ == "qlib.workflow.task.gen"
assert qlib.contrib.model.gbdt.R is QLIB_R
assert len(sys.meta_path) == finders - 1
import qlib.workflow.online.utils
assert qlib.workflow.online.utils.OnlineToolR.__module__ == "qlib.workflow.online.utils"
assert not [m for m in sys.modules.values() if "__wf_dagster_own_names__" in vars(m)]
wf_dagster.compat.install.undo()  # nothing more to undo

wf_dagster.compat.install.install()
from qlib.workflow import R
from qlib.workflow.online.utils import OnlineToolR
assert R is ours.R and OnlineToolR is ours.OnlineToolR
"""

AFTER_QLIB = """
import sys, types
import qlib.workflow.task.gen as gen
from qlib.model.trainer import TrainerR
from qlib.workflow import R
from qlib.workflow.record_temp import SignalRecord
helper = types.ModuleType("helper")
helper.Trainer = TrainerR
sys.modules["helper"] = helper
THEIRS = R, TrainerR, SignalRecord, gen.RollingGen

import wf_dagster.compat.install
import wf_dagster as ours
OURS = ours.R, ours.TrainerR, ours.SignalRecord, ours.RollingGen
assert (R, TrainerR, SignalRecord, gen.RollingGen) == OURS
assert helper.Trainer is ours.TrainerR

helper.Trainer = "mine"
wf_dagster.compat.install.undo()
assert (R, TrainerR, SignalRecord, gen.RollingGen) == THEIRS
assert helper.Trainer == "mine"  # somebody has put something else there since
"""

BY_HAND = """
import sys
import wf_dagster.compat.install
import qlib
from qlib.workflow import R

qlib.init(provider_uri=sys.argv[1], region="cn", kernels=1)
from qlib.contrib.model.linear import LinearModel
from qlib.data.dataset import DatasetH
from qlib.utils import init_instance_by_config
from qlib.workflow.record_temp import SigAnaRecord, SignalRecord
from qlib.workflow.task.gen import RollingGen, task_generator
from tests.qlib.qlib_tasks import few_expressions, ridge

handler = few_expressions("2019-01-02", "2020-07-15", ("2019-02-01", "2019-10-31"))
segments = {"train": ("2019-02-01", "2019-10-31"), "test": ("2020-01-02", "2020-06-30")}
config = {"class": "DatasetH", "module_path": "qlib.data.dataset",
          "kwargs": {"handler": handler, "segments": segments}}
model, dataset = init_instance_by_config(ridge()), init_instance_by_config(config)
with R.start(experiment_name="workflow"):
    model.fit(dataset)
    qlib.init(provider_uri=sys.argv[1], region="cn", kernels=1)  # as scripts in notebooks do
    R.save_objects(**{"params.pkl": model})
    recorder = R.get_recorder()
    SignalRecord(model, dataset, recorder).generate()
    SigAnaRecord(recorder).generate()
assert set(recorder.list_metrics()) == {"IC", "ICIR", "Rank IC", "Rank ICIR"}
assert {"params.pkl", "pred.pkl", "label.pkl"} <= set(recorder.list_artifacts())
pred = recorder.load_object("pred.pkl")
assert pred.iloc[:, 0].equals(model.predict(dataset).loc[pred.index])
rolls = task_generator({"model": ridge(), "dataset": config}, RollingGen(step=60))
assert len(rolls) == 3

from wf_dagster import R as OURS
assert OURS.get_recorder(recorder_id=recorder.id).status == "FINISHED"
wf_dagster.compat.install.undo()
from qlib.workflow import R
assert type(R.exp_manager).__module__ == "qlib.workflow.expm"  # as qlib.init would have had it
"""


@pytest.mark.parametrize("script", [BEFORE_QLIB, AFTER_QLIB])
def test_qlibs_modules_give_our_classes_until_it_is_undone(script, tmp_path):
    run_script(script, tmp_path)


def test_a_script_by_hand_records_here(tmp_path):
    provider = write_provider(tmp_path / "data", seeded_panel())
    run_script(BY_HAND, tmp_path, str(provider))
    assert not (tmp_path / "mlruns").exists()


def run_script(script: str, folder: Path, *arguments: str) -> None:
    file = folder / "script.py"
    file.write_text(script)
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("WF_", "MLFLOW_"))}
    run = subprocess.run(
        [sys.executable, str(file), *arguments],
        cwd=folder,
        env=variables | {"WF_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
