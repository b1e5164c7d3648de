"""What a script leaves: its recorders, as one who looks for them finds them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

import wf_dagster
from wf_dagster import R

TRUSTED = ["qlib", "lightgbm", "sklearn", "_codecs", "collections"]


@dataclass(frozen=True)
class LeftRecorder:
    """A recorder: its values, the names it lists, and how to load what has such a name."""

    name: str
    status: str
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, list[tuple[int, float]]]
    names: frozenset[str]
    load: Callable[[str], Any]

    @property
    def order(self) -> tuple[str, str]:
        """Tells the recorders of an experiment apart in whichever order they were trained."""
        model = self.load("task")["model"]["class"] if "task" in self.names else ""
        if "pred.pkl" not in self.names:
            return model, ""
        return model, str(self.load("pred.pkl").index[0][0])


Left = dict[str, list[LeftRecorder]]


def read_mlruns(folder: Path) -> Left:
    """The recorders that plain Qlib puts into the folder where a script runs."""
    left = {}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        client = MlflowClient(tracking_uri=f"file:{folder}")
        for experiment in client.search_experiments():
            runs = client.search_runs([experiment.experiment_id])
            recorders = [_from_files(client, run) for run in runs]
            if recorders:
                left[experiment.name] = sorted(recorders, key=lambda recorder: recorder.order)
    return left


def _from_files(client: MlflowClient, run: Run) -> LeftRecorder:
    folder = Path(run.info.artifact_uri.removeprefix("file://").removeprefix("file:"))
    names = frozenset(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return _left(client, run, names, lambda name: pickle.loads((folder / name).read_bytes()))


def read_home(home: Path) -> Left:
    """The recorders in a home of this project, found by ``R``."""
    wf_dagster.init(home=home)
    client = MlflowClient(tracking_uri=R.get_uri())
    left = {}
    for experiment in R.list_experiments():
        recorders = []
        for recorder in R.list_recorders(experiment_name=experiment).values():
            run = client.get_run(recorder.id)
            recorders.append(_left(client, run, _names(recorder), _loader(recorder)))
        if recorders:
            left[experiment] = sorted(recorders, key=lambda recorder: recorder.order)
    return left


def _loader(recorder: Any) -> Callable[[str], Any]:
    return lambda name: recorder.load_object(name, allow=TRUSTED)


def _names(recorder: Any, folder: str | None = None) -> frozenset[str]:
    names: set[str] = set()
    for name in recorder.list_artifacts(folder):
        below = _names(recorder, name) if not Path(name).suffix and name != folder else ()
        names.update(below or [name])
    return frozenset(names)


def _left(
    client: MlflowClient, run: Run, names: frozenset[str], load: Callable[[str], Any]
) -> LeftRecorder:
    metrics = {
        name: [
            (entry.step, entry.value) for entry in client.get_metric_history(run.info.run_id, name)
        ]
        for name in run.data.metrics
    }
    return LeftRecorder(
        name=run.info.run_name,
        status=run.info.status,
        params=dict(run.data.params),
        tags={name: tag for name, tag in run.data.tags.items() if not name.startswith("mlflow.")},
        metrics={name: sorted(entries) for name, entries in metrics.items()},
        names=names,
        load=load,
    )


def read_answers(folder: Path) -> dict[str, dict[str, Any]]:
    """What the script itself has put beside it, by the name of the file."""
    return {file.name: pd.read_pickle(file) for file in sorted(folder.glob("*.pkl"))}
