# What a user types into a notebook or at a prompt: run as text, never imported.
import threading

import numpy as np

from tests.support import task_of
from wf_dagster import DelayTrainerR, R, TrainerR, init, task_train
from wf_dagster.models import SklearnModel
from wf_dagster.records import SigAnaRecord

init(max_workers=2)


def up(prices, horizon=1, lag=1):
    close = prices["close"].unstack("instrument")
    wide = close.shift(-(lag + horizon)) / close.shift(-lag) - 1
    return wide.stack(future_stack=True).reindex(prices.index).to_frame("up")


def two_moves(prices):
    close = prices["close"].unstack("instrument")
    moves = [(close / close.shift(n) - 1).stack(future_stack=True) for n in (1, 5)]
    return scaled(moves[0].to_frame("a").assign(b=moves[1])).reindex(prices.index)


def scaled(frame):
    return frame * 100


class Mine(SklearnModel):
    def __init__(self, alpha=1.0):
        super().__init__("sklearn.linear_model.Ridge", alpha=alpha)


class TinyNet:
    def fit(self, rows, target):
        self.weights = np.linalg.lstsq(rows, target, rcond=None)[0]

    def predict(self, rows):
        return (rows @ self.weights).reshape(-1, 1)


class Rising:
    def reweight(self, data):
        return np.arange(1.0, len(data) + 1)


lock = threading.Lock()


def locked(prices):
    with lock:
        return two_moves(prices)


def task_with(model, month="2020-01-01", features=two_moves, **more):
    task = {**task_of(month), "model": model, **more}
    task["dataset"]["kwargs"] |= {
        "features": features,
        "label": up,
        "infer_processors": ["Fillna"],
    }
    return task


MINE = {"class": Mine, "kwargs": {"alpha": 2.0}}
own = TrainerR("own")(
    [task_with(MINE, month, reweighter=Rising()) for month in ("2020-01-01", "2020-02-01")]
)
for recorder in own:
    SigAnaRecord(recorder).generate()
again = R.get_recorder(recorder_id=own[0].id)
print("own", isinstance(again.load_object("params.pkl"), Mine), again.load_object("task")["model"])

net = {"class": "SklearnModel", "module_path": "wf_dagster.models"}
try:
    TrainerR("kinds")(
        [
            task_with({**net, "kwargs": {"estimator": "__main__.TinyNet"}}),
            task_with({**net, "kwargs": {"estimator": TinyNet}}),
            task_with({"class": "Mine", "module_path": "__main__"}),
            task_with(MINE, features=locked),
        ]
    )
except Exception as error:
    print("locked", type(error).__name__, str(error).replace("\n", " "))
delayed = DelayTrainerR("delayed")
begun = delayed.train([task_with(MINE), task_with(MINE, "2020-02-01")])
print("delayed", [recorder.status for recorder in delayed.end_train(begun)])
TrainerR("apart", call_in_subproc=True)(task_with(MINE))
here = task_train(task_with(MINE), "here")
print("here", type(R.get_recorder(recorder_id=here.id).load_object("params.pkl")) is Mine)
