"""Qlib's own classes work on our recorders, by hand: a script that changes nothing but its R."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from wf_dagster import LoadObjectError, R
from wf_dagster.errors import ObjectNotFoundError

ROOT = Path(__file__).parents[2]

SCRIPT = """
import json, os, pickle, sys
import qlib
from qlib.utils import init_instance_by_config
from qlib.workflow.record_temp import PortAnaRecord, SigAnaRecord, SignalRecord
from tests.qlib.qlib_tasks import lightgbm, seeded_template
from {place} import R

qlib.init(provider_uri={provider!r}, region="us", kernels=1)
task = seeded_template(lightgbm())
model, dataset = (init_instance_by_config(task[part]) for part in ("model", "dataset"))
config = {{
    "executor": {{
        "class": "SimulatorExecutor",
        "module_path": "qlib.backtest.executor",
        "kwargs": {{"time_per_step": "day", "generate_portfolio_metrics": True}},
    }},
    "strategy": {{
        "class": "TopkDropoutStrategy",
        "module_path": "qlib.contrib.strategy.signal_strategy",
        "kwargs": {{"signal": "<PRED>", "topk": 3, "n_drop": 1}},
    }},
    "backtest": {{
        "start_time": "2019-11-01",
        "end_time": "2020-06-01",
        "account": 1000000,
        "benchmark": "SH600000",
        "exchange_kwargs": {{"freq": "day", "deal_price": "close"}},
    }},
}}
with R.start(experiment_name="by hand"):
    model.fit(dataset)  # whose evaluation goes to Qlib's own R
    R.save_objects(**{{"params.pkl": model}})
    recorder = R.get_recorder()
    SignalRecord(model, dataset, recorder).generate()
    SigAnaRecord(recorder).generate()
    PortAnaRecord(recorder, config, "day").generate()
    SigAnaRecord(recorder, skip_existing=True).check(include_self=True)
loaded = R.get_recorder(recorder_id=recorder.id, experiment_name="by hand")
names = [n for folder in (None, "sig_analysis", "portfolio_analysis")
         for n in loaded.list_artifacts(folder)]
files = {{n: loaded.download_artifact(n) for n in names if n.endswith(".pkl")}}
pickle.dump(
    {{
        "names": sorted(names),
        "metrics": loaded.list_metrics(),
        "pred": pickle.load(open(files["pred.pkl"], "rb")),
        "label": pickle.load(open(files["label.pkl"], "rb")),
        "report": pickle.load(open(files["portfolio_analysis/report_normal_1day.pkl"], "rb")),
        "status": loaded.status,
        "stray": os.path.exists("mlruns"),
    }},
    open("answer.pkl", "wb"),
)
"""


def answer(folder: Path, place: str, provider: Path) -> dict:
    folder.mkdir()
    (folder / "script.py").write_text(SCRIPT.format(place=place, provider=str(provider)))
    plain = {"MLFLOW_ALLOW_FILE_STORE": "true"} if place == "qlib.workflow" else {}
    process = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WF_HOME": str(folder / "home"),
            "OMP_NUM_THREADS": "1",
            **plain,
        },
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return pd.read_pickle(folder / "answer.pkl")


@pytest.mark.slow
def test_a_script_by_hand_gives_what_it_gives_in_qlib(qlib_folder, tmp_path):
    theirs = answer(tmp_path / "theirs", "qlib.workflow", qlib_folder / "seeded")
    ours = answer(tmp_path / "ours", "wf_dagster", qlib_folder / "seeded")
    assert ours["names"] == theirs["names"]
    assert {"pred.pkl", "sig_analysis/ic.pkl"} < set(ours["names"])
    assert ours["metrics"] == theirs["metrics"]
    assert {"l2.train", "IC", "1day.excess_return_with_cost.mean"} < set(ours["metrics"])
    for part in ("pred", "label", "report"):
        pd.testing.assert_frame_equal(ours[part], theirs[part], check_exact=True)
    assert (ours["status"], ours["stray"], theirs["stray"]) == ("FINISHED", False, True)


def run(code: str, cwd: Path, **variables: str) -> list:
    """What a script prints last, as JSON."""
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WF_HOME": str(cwd / "home"), **variables},
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


def test_qlibs_r_leads_here_only_while_a_recorder_is_active(tmp_path, qlib_folder):
    provider = str(qlib_folder / "seeded")
    code = f"""
import json, os, sys, threading
from wf_dagster import R

steps = {{}}
def count_finders():
    return sum(type(finder).__module__.startswith("wf_dagster") for finder in sys.meta_path)

before = count_finders()
with R.start(experiment_name="late"):
    import qlib  # imported, and initialised, inside the block
    from qlib.workflow import R as QLIB_R
    qlib.init(provider_uri={provider!r}, region="us")
    QLIB_R.log_metrics(inside=1.0)
    qlib.init(provider_uri={provider!r}, region="us")  # again
    QLIB_R.log_params(again=2)
    recorder = R.get_recorder()
steps["ours"] = [recorder.list_metrics(), recorder.list_params().get("again")]
steps["finders"] = count_finders() - before
steps["back"] = type(QLIB_R.exp_manager).__module__

with QLIB_R.start(experiment_name="theirs"):
    theirs = QLIB_R.get_recorder()
    with R.start(experiment_name="ours inside theirs"):
        QLIB_R.log_metrics(ours=1.0)
        inside = R.get_recorder()
        thread = threading.Thread(target=lambda: QLIB_R.log_metrics(elsewhere=3.0))
        thread.start(); thread.join()
    QLIB_R.log_metrics(theirs=2.0)
steps["inner"] = inside.list_metrics()
steps["outer"] = theirs.list_metrics()
try:
    with R.start(experiment_name="fails"):
        raise KeyError
except KeyError:
    steps["after failure"] = type(QLIB_R.exp_manager).__module__
print(json.dumps(steps))
"""
    steps = run(code, tmp_path, MLFLOW_ALLOW_FILE_STORE="true")
    assert steps == {
        "ours": [{"inside": 1.0}, "2"],
        "finders": 0,
        "back": "qlib.workflow.expm",
        "inner": {"ours": 1.0},
        "outer": {"elsewhere": 3.0, "theirs": 2.0},
        "after failure": "qlib.workflow.expm",
    }


def test_qlib_is_not_imported_by_a_start(tmp_path):
    code = (
        "import json, sys\nfrom wf_dagster import R\n"
        "with R.start(): R.log_metrics(a=1)\n"
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] == 'qlib']))"
    )
    assert run(code, tmp_path) == []


def test_our_classes_are_qlibs_for_isinstance_and_except():
    from qlib.utils.exceptions import LoadObjectError as QlibsError
    from qlib.workflow.exp import Experiment
    from qlib.workflow.online.utils import OnlineToolR
    from qlib.workflow.recorder import Recorder

    with R.start(experiment_name="classes") as experiment:
        recorder = R.get_recorder()
    assert isinstance(recorder, Recorder)
    assert isinstance(experiment, Experiment)
    for kind in (QlibsError, LoadObjectError, ObjectNotFoundError):
        with pytest.raises(kind, match=r"holds no 'nothing'"):
            recorder.load_object("nothing")
    tool = OnlineToolR("classes")
    tool.set_online_tag(tool.ONLINE_TAG, recorder)  # takes one recorder, or a list of them
    assert tool.get_online_tag(recorder) == tool.ONLINE_TAG
    assert recorder.list_tags()["online_status"] == "online"


USERS_INIT = """
import json, logging
logging.basicConfig(level="INFO", format="LOG %(levelname)s %(message)s")
import qlib
from wf_dagster import R, get_settings

def init(uri, **more):
    manager = {{"class": "MLflowExpManager", "module_path": "qlib.workflow.expm"}}
    kwargs = {{"uri": uri, "default_exp_name": "of the user", **more}}
    qlib.init(provider_uri={provider!r}, region="us", exp_manager={{**manager, "kwargs": kwargs}})

steps = []
def note():
    with R.start() as experiment:
        steps.append([experiment.uri, experiment.name])
"""


def test_what_qlib_init_says_of_recorders_counts(tmp_path, qlib_folder):
    code = USERS_INIT.format(provider=str(qlib_folder / "seeded")) + (
        "init('sqlite:///one.db'); note(); note()\n"
        "with R.start():\n"
        "    init('sqlite:///two.db')\n"
        "    steps.append([R.get_uri()])\n"  # until the recorder has ended
        "note()\n"
        "steps.append([get_settings().tracking_uri])\n"  # for worker processes
        "qlib.init(provider_uri=qlib.config.C.provider_uri, region='us'); note()\n"
        "print(json.dumps(steps))"
    )
    one, two = "sqlite:///one.db", "sqlite:///two.db"
    home = f"sqlite:///{tmp_path}/home/mlflow.db"
    expected = [
        [one, "of the user"], [one, "of the user"], [one], [two, "of the user"], [two],
        [home, "Experiment"],
    ]  # fmt: skip
    assert run(code, tmp_path) == expected
    assert not (tmp_path / "mlruns").exists()


def test_a_setting_wins_over_qlib_init_and_that_is_said_once(tmp_path, qlib_folder):
    mine = f"sqlite:///{tmp_path}/mine.db"
    code = USERS_INIT.format(provider=str(qlib_folder / "seeded")) + (
        "init('sqlite:///one.db'); note(); note()\nprint(json.dumps([step for step in steps]))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WF_HOME": str(tmp_path / "home"),
            "WF_TRACKING_URI": mine,
        },
    )
    assert process.returncode == 0, process.stderr[-3000:]
    assert json.loads(process.stdout.splitlines()[-1]) == [[mine, "of the user"]] * 2
    said = [
        line for line in process.stderr.splitlines() if line.startswith("LOG WARNING qlib.init")
    ]
    assert len(said) == 1
    assert "sqlite:///one.db" in said[0]
    assert mine in said[0]
    assert not (tmp_path / "one.db").exists()


def test_a_folder_that_qlib_init_names_is_refused_with_the_remedy(tmp_path, qlib_folder):
    code = USERS_INIT.format(provider=str(qlib_folder / "seeded")) + (
        "from wf_dagster import TrackingError\n"
        "init('file:' + __import__('os').getcwd() + '/runs')\n"
        "try: note()\n"
        "except TrackingError as error: steps.append(str(error))\n"
        "print(json.dumps(steps))"
    )
    (said,) = run(code, tmp_path)
    assert "mlflow migrate-filestore" in said
    ((uri, _),) = run(code, tmp_path, MLFLOW_ALLOW_FILE_STORE="true")
    assert uri == (tmp_path / "runs").as_uri()
    assert (tmp_path / "runs").is_dir()
