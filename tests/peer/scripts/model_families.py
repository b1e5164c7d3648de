"""A roll of each task of a file, by hand and by the trainer; says which of them broke."""

import json
import os
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pandas as pd
import qlib
from qlib.model.trainer import TrainerR
from qlib.utils import init_instance_by_config
from qlib.workflow import R
from qlib.workflow.record_temp import SigAnaRecord, SignalRecord

try:
    import torch
except ImportError:
    torch = None


def seed_generators(seed):
    """The global ones; None: a state that no other roll has."""
    np.random.seed(seed)
    if torch is not None:
        torch.seed() if seed is None else torch.manual_seed(seed)


def by_hand(task, experiment):
    with R.start(experiment_name=experiment):
        model = init_instance_by_config(task["model"])
        dataset = init_instance_by_config(task["dataset"])
        model.fit(dataset)
        R.save_objects(**{"params.pkl": model})
        recorder = R.get_recorder()
        SignalRecord(model, dataset, recorder).generate()
        SigAnaRecord(recorder).generate()


def by_trainer(task, experiment):
    TrainerR(experiment).train([task])


if __name__ == "__main__":
    qlib.init(provider_uri=os.environ["PEER_DATA"], region="us", kernels=1, logging_level=50)
    tasks, seeds = json.loads(Path(sys.argv[1]).read_text())
    rolls = []
    for name, task in tasks.items():
        for train in (by_hand, by_trainer):
            seed_generators(seeds.get(name))
            start, error = time.perf_counter(), ""
            try:
                train(task, f"{name} {train.__name__}")
            except Exception:  # the others go on
                error = traceback.format_exc()
            rolls.append((name, train.__name__, time.perf_counter() - start, error))
    columns = ["family", "road", "seconds", "error"]
    pd.DataFrame(rolls, columns=columns).to_pickle("rolls.pkl")
