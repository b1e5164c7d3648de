"""What plain Qlib makes of a workflow file; run in a process of its own.

``python -m tests.workflows.by_plain_qlib ANSWER qrun FILE`` runs the file as ``qrun`` does, and
pickles what its recorder holds to ``ANSWER``; ``ANSWER rolling FILE ARGUMENTS`` does so with
``Rolling``, and ``ANSWER ddgda FILE ARGUMENTS`` with ``DDGDA``, whose arguments are JSON.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any


def run_qrun(file: str) -> dict[str, Any]:
    from qlib.cli.run import workflow
    from qlib.workflow import R

    workflow(file)
    (name,) = set(R.list_experiments()) - {"Default"}
    (recorder,) = R.list_recorders(experiment_name=name).values()
    return {"experiment": name, **contents(recorder)}


def run_rolling(file: str, arguments: str) -> dict[str, Any]:
    from qlib.contrib.rolling.base import Rolling

    return roll(Rolling, file, arguments)


def run_ddgda(file: str, arguments: str) -> dict[str, Any]:
    import pandas as pd
    from qlib.contrib.meta.data_selection import dataset
    from qlib.contrib.rolling.ddgda import DDGDA

    def calculate(self: Any, pred: pd.Series, label: pd.Series) -> pd.Series:
        by_day = pd.DataFrame({"pred": pred, "label": label}).groupby("datetime")
        return by_day.apply(lambda day: day["pred"].corr(day["label"], method="spearman"))

    # with pandas 2 Qlib's own fails on the index of a correlation; here, as its workers import Qlib
    dataset.InternalData._calc_perf = calculate
    dataset.Parallel = lambda n_jobs: lambda calls: [call(*a, **kw) for call, a, kw in calls]
    return roll(DDGDA, file, arguments)


def roll(kind: Any, file: str, arguments: str) -> dict[str, Any]:
    import qlib
    import yaml
    from qlib.workflow import R

    qlib.init(**yaml.safe_load(Path(file).read_text())["qlib_init"])
    rolling = kind(conf_path=file, **json.loads(arguments))
    rolling.run()
    joined = R.get_recorder(experiment_name=rolling.exp_name, recorder_id=rolling._rid)
    rolls = R.list_recorders(experiment_name=rolling.rolling_exp).values()
    return {
        **contents(joined),
        "segments": [
            recorder.load_object("task")["dataset"]["kwargs"]["segments"] for recorder in rolls
        ],
    }


def contents(recorder: Any) -> dict[str, Any]:
    """Metrics, and objects by name."""
    names = list(list_files(recorder))
    return {
        "metrics": recorder.list_metrics(),
        "objects": {name: recorder.load_object(name) for name in names},
    }


def list_files(recorder: Any, folder: str | None = None) -> list[str]:
    """The files of a recorder, in folders too; paths within it."""
    files = []
    for item in recorder.client.list_artifacts(recorder.id, folder):
        files += list_files(recorder, item.path) if item.is_dir else [item.path]
    return files


if __name__ == "__main__":
    answer, what, *arguments = sys.argv[1:]
    result = {"qrun": run_qrun, "rolling": run_rolling, "ddgda": run_ddgda}[what](*arguments)
    Path(answer).write_bytes(pickle.dumps(result))
