"""What Qlib itself makes of the tests' tasks; run in a process of its own.

``python -m tests.qlib.by_qlib FOLDER PART PANEL`` reads the provider ``FOLDER/PANEL``, writes
``FOLDER/PART_PANEL.pkl``, and leaves its recorders in ``FOLDER/PART_PANEL.db``. The parts:
``quick``; ``slow``, of either panel; and ``grown``, whose provider grows and is made here.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import sys
from pathlib import Path

from tests.qlib.provider import grow
from tests.qlib.qlib_tasks import QUICK_ROLLINGS, SLOW_ROLLINGS, UPDATED, UPDATED_FROM

QUICK, SLOW, GROWN = "quick", "slow", "grown"
ENSEMBLE = ("seeded_ridge_sliding", "trained_by_qlib")
GRID = [
    (step, rtype, trunc)
    for step in (1, 7, 20, 60)
    for rtype in ("sliding", "expanding")
    for trunc in (None, 2, 10)
]


def main(folder: Path, part: str, panel: str) -> None:
    os.chdir(folder)  # Qlib puts ./mlruns where it stands
    import qlib

    store = f"sqlite:///{folder}/{part}_{panel}.db"
    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": store, "default_exp_name": "Experiment"},
    }
    options = {"region": "us", "kernels": 1, "logging_level": 40, "exp_manager": manager}
    with contextlib.redirect_stdout(io.StringIO()):
        if part == GROWN:
            grow(folder / panel, UPDATED_FROM)
        qlib.init(provider_uri=str(folder / panel), **options)
        rollings = {QUICK: QUICK_ROLLINGS, SLOW: SLOW_ROLLINGS, GROWN: {}}[part]
        answers = {name: rolling(*rest) for name, (of, *rest) in rollings.items() if of == panel}
        if part == QUICK:
            answers["trained_by_qlib"] = trained()
            answers["segments"] = [segments(*case) for case in GRID]
            answers["ensembles"] = ensembles(answers)
        if part == GROWN:
            answers = {name: updated(name, folder / panel) for name in UPDATED}
    (folder / f"{part}_{panel}.pkl").write_bytes(pickle.dumps(answers))


def rolling(template: dict, step: int, rtype: str) -> list[dict]:
    """Predictions, labels and IC series of each roll, without a recorder for each."""
    from qlib.contrib.eva.alpha import calc_ic
    from qlib.utils import init_instance_by_config
    from qlib.workflow import R
    from qlib.workflow.record_temp import SignalRecord
    from qlib.workflow.task.gen import RollingGen, task_generator

    rolls = []
    with R.start(experiment_name="all_rolls"):
        R._provider.log_metrics = lambda **_: None  # LightGBM's, one commit each
        for task in task_generator(template, RollingGen(step=step, rtype=rtype)):
            model = init_instance_by_config(task["model"])
            dataset = init_instance_by_config(task["dataset"])
            model.fit(dataset)
            pred = model.predict(dataset).to_frame("score")
            label = SignalRecord.generate_label(dataset)
            ic, ric = calc_ic(pred["score"], label.iloc[:, 0])
            rolls.append({"pred": pred, "label": label, "ic": ic, "ric": ric})
        del R._provider.log_metrics
    return rolls


def trained() -> list[dict]:
    """Rolls of Qlib's own trainer, whose recorders stay."""
    from qlib.model.trainer import TrainerR
    from qlib.workflow.task.gen import RollingGen, task_generator

    _, template, _, rtype = QUICK_ROLLINGS["seeded_ridge_sliding"]
    recorders = TrainerR("trained_by_qlib")(task_generator(template, RollingGen(70, rtype)))
    return [
        {"pred": recorder.load_object("pred.pkl"), "metrics": recorder.list_metrics()}
        for recorder in recorders
    ]


def updated(name: str, provider: Path) -> dict:
    """A model that was put online and updated; one that was trained likewise is left alone."""
    from qlib.data.cache import H
    from qlib.model.trainer import TrainerR
    from qlib.workflow.online.update import LabelUpdater
    from qlib.workflow.online.utils import OnlineToolR

    grow(provider, UPDATED_FROM)
    H.clear()
    TrainerR(f"{name}_left")([UPDATED[name]])
    (recorder,) = TrainerR(name)([UPDATED[name]])
    before = [recorder.load_object(file) for file in ("pred.pkl", "label.pkl")]
    grow(provider)
    H.clear()
    tool = OnlineToolR(name)
    tool.reset_online_tag(recorder)
    tool.update_online_pred()
    LabelUpdater(recorder).update()
    after = [recorder.load_object(file) for file in ("pred.pkl", "label.pkl")]
    return {"before": before, "after": after}


def segments(step: int, rtype: str, trunc: int | None) -> list[dict]:
    """The segments of a template's rolls."""
    from qlib.workflow.task.gen import RollingGen, task_generator

    template = QUICK_ROLLINGS["seeded_ridge_sliding"][1]
    tasks = task_generator(template, RollingGen(step=step, rtype=rtype, trunc_days=trunc))
    return [task["dataset"]["kwargs"]["segments"] for task in tasks]


def ensembles(answers: dict) -> dict:
    """Rolling predictions joined, and averaged over two models."""
    from qlib.model.ens.ensemble import AverageEnsemble, RollingEnsemble

    joined = {}
    for name in ENSEMBLE:
        preds = {number: roll["pred"] for number, roll in enumerate(answers[name])}
        joined[name] = RollingEnsemble()(preds)
    return {**joined, "average": AverageEnsemble()(joined)}


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
