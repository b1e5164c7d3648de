"""One roll of each family, by hand and by the trainer, in a process of its own.

``python -m tests.peer.run_model_families WAY FOLDER RESULT NAME...`` reads what ``write_data``
wrote into FOLDER and pickles a result for each NAME: ``WAY`` is ``qlib``, all imports from Qlib, or
``here``, all from this project. Recorders go where the process stands.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.peer.model_families import FAMILIES

BY_HAND, BY_TRAINER = "by hand", "by TrainerR"


def main(way: str, folder: Path, result: Path, names: list[str]) -> None:
    warnings.simplefilter("ignore")
    roads = {"qlib": qlib_roads, "here": roads_here}[way](folder / "provider")
    results: dict[str, Any] = {}
    for name in names:
        task = FAMILIES[name].task(folder)
        for number, (road, train) in enumerate(roads.items()):
            with contextlib.redirect_stdout(io.StringIO()):
                results[name, road] = run(train, task, f"{name.replace(' ', '_')}_{number}")
        result.write_bytes(pickle.dumps(results))


def run(train: Callable[[dict[str, Any], str], Any], task: Any, experiment: str) -> dict[str, Any]:
    """What a road leaves of a task; ``error`` is the trace of a road that broke."""
    start = time.perf_counter()
    try:
        recorder = train(task, experiment)
    except Exception:  # the other families go on
        return {"error": traceback.format_exc()}
    seconds = time.perf_counter() - start
    return {
        "error": "",
        "seconds": seconds,
        "pred": recorder.load_object("pred.pkl"),
        "label": recorder.load_object("label.pkl"),
        "ic": recorder.load_object("sig_analysis/ic.pkl"),
        "metrics": dict(recorder.list_metrics()),
        "status": recorder.info.get("status", recorder.status),
    }


def qlib_roads(provider: Path) -> dict[str, Callable[[dict[str, Any], str], Any]]:
    import qlib
    from qlib.model.trainer import TrainerR
    from qlib.utils import init_instance_by_config
    from qlib.workflow import R
    from qlib.workflow.record_temp import SigAnaRecord, SignalRecord

    store = {"uri": f"sqlite:///{Path.cwd()}/qlib.db", "default_exp_name": "Experiment"}
    manager = {"class": "MLflowExpManager", "module_path": "qlib.workflow.expm", "kwargs": store}
    options = {"region": "us", "kernels": 1, "logging_level": 50, "exp_manager": manager}
    qlib.init(provider_uri=str(provider), **options)
    return _roads(TrainerR, init_instance_by_config, R, SignalRecord, SigAnaRecord)


def roads_here(provider: Path) -> dict[str, Callable[[dict[str, Any], str], Any]]:
    import qlib
    from qlib.utils import init_instance_by_config

    from wf_dagster import R, TrainerR
    from wf_dagster.records import SigAnaRecord, SignalRecord

    qlib.init(provider_uri=str(provider), region="us", kernels=1, logging_level=50)
    return _roads(TrainerR, init_instance_by_config, R, SignalRecord, SigAnaRecord)


def _roads(trainer: Any, init: Any, r: Any, signal_record: Any, analysis_record: Any) -> Any:
    """The same script for both."""

    def by_hand(task: dict[str, Any], experiment: str) -> Any:
        with r.start(experiment_name=experiment):
            model, dataset = init(task["model"]), init(task["dataset"])
            model.fit(dataset)
            r.save_objects(**{"params.pkl": model})
            recorder = r.get_recorder()
            signal_record(model, dataset, recorder).generate()
            analysis_record(recorder).generate()
        return recorder

    def by_trainer(task: dict[str, Any], experiment: str) -> Any:
        (recorder,) = trainer(experiment)([task])
        return recorder

    return {BY_HAND: by_hand, BY_TRAINER: by_trainer}


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
